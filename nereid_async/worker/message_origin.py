"""Tells the messages of this database from those of another one on the same queue."""

from __future__ import annotations

from ..brokers.base import Delivery
from ..errors import BadMessage, ForeignMessage
from ..messages.message import Message, Unverified
from ..rows import UnreadMessage
from ..runtime import Runtime
from ..texts import cut

#: How much of an unverified name goes into an error's text.
_NAME_MAX_CHARS = 100


def check(message: Message, delivery: Delivery, runtime: Runtime) -> None:
    """Check that a message is of this database; what stands in a row of it is.

    :raises ForeignMessage: it came by a queue, and is of another database.
    :raises BadMessage: it stands in a row, and names another database.
    """
    same = message.database == runtime.database
    if delivery.claim is not None:
        if not same:
            raise BadMessage(f"is for database {message.database!r}")
        return
    if same and message.identity in (None, runtime.identity.value):
        return
    theirs = Unverified(message.id, message.database, message.identity)
    error = foreign(theirs, runtime)
    # A message of ours may be older than a renewed identity.
    if error is not None and not _stands_in_row(message.id, delivery.text, runtime):
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


def _stands_in_row(task_id: str, text: str, runtime: Runtime) -> bool:
    if runtime.rows is None:
        return False
    return runtime.rows.state_of_unread(UnreadMessage(task_id, text)) is not None
