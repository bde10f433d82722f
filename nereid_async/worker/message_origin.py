"""Tells the messages of this database from those of another one on the same queue."""

from __future__ import annotations

from ..errors import ForeignMessage, MessageError
from ..messages.pointer import Pointer
from ..messages.unverified import Unverified
from ..runtime import Runtime
from ..texts import cut

#: How much of an unverified name goes into an error's text.
_NAME_MAX_CHARS = 100


def check(pointer: Pointer, runtime: Runtime) -> None:
    """Check that a message is of this database.

    :raises ForeignMessage: it is of another database.
    """
    own = pointer.identity in (None, runtime.identity.value)
    if own and pointer.database == runtime.database:
        return
    theirs = Unverified(pointer.id, pointer.database, pointer.identity)
    error = foreign(theirs, runtime)
    # A message of ours may be older than a renewed identity.
    if error is not None and not _stands_in_row(pointer, runtime):
        raise error


def foreign(theirs: Unverified, runtime: Runtime) -> ForeignMessage | None:
    """Return why a message is of another database, by what it claims; None if not.

    :param theirs: database and identity that the message names, unverified.
    """
    own = runtime.identity.value
    same = own is None or theirs.identity in (None, own)
    if theirs.database is None or (same and theirs.database == runtime.database):
        return None
    database, identity = _quoted(theirs.database), _quoted(theirs.identity)
    return ForeignMessage(
        f"it is of database {database}, identity {identity}, and this worker is of "
        f"{runtime.database!r}, identity {own!r}: they share a queue. Set another "
        "sqs_queue_prefix for one of them"
    )


def _quoted(name: str | None) -> str:
    return repr(name if name is None else cut(name, _NAME_MAX_CHARS))


def _stands_in_row(pointer: Pointer, runtime: Runtime) -> bool:
    """Whether the row of this id has a call of the same identity.

    A renewal changes the identity of all calls that may run. So the copy of a database
    has no such row for a message of the original.
    """
    if runtime.rows is None or pointer.database != runtime.database:
        return False
    text = runtime.rows.text_of(pointer.id)
    try:
        message = None if text is None else runtime.codec.decode(text)
    except MessageError:
        return False
    return message is not None and message.identity == pointer.identity
