"""Pointers: what is sent to SQS for a call that has a row.

The call stays in its row, signed there as well, and the claim returns it. So a pointer
has only what a worker needs before the claim, and if there is nothing to claim.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..errors import BadMessage
from .wire_fields import Types, check_types, is_id, known


@dataclass(frozen=True)
class Pointer:
    """A row that is to be claimed.

    :ivar id: the task's uuid.
    :ivar database: the name of its database.
    :ivar identity: identity of its database; see
        :class:`~nereid_async.messages.message.Message`.
    :ivar queue: short name of the queue to which it is sent.
    :ivar name: name of the task, for logs.
    :ivar max_attempts: attempts before the task fails; 1 if that is not known.
    :ivar keep_result: whether the value is kept for the owner; False if that is not
        known.
    """

    id: str
    database: str
    identity: str | None
    queue: str
    name: str
    max_attempts: int = 1
    keep_result: bool = False


_FIELDS = {field.name for field in fields(Pointer)}
_TYPES: Types = {
    "id": str,
    "database": str,
    "identity": (str, type(None)),
    "queue": str,
    "name": str,
    "max_attempts": int,
    "keep_result": bool,
}


def pointer_from(payload: dict[str, Any]) -> Pointer:
    """Decode the payload of a pointer, which was verified.

    :raises BadMessage: a field is missing, or of another type.
    """
    try:
        pointer = Pointer(**known(_FIELDS, payload))
    except TypeError as error:
        raise BadMessage(f"incomplete: {error}") from None
    check_types(pointer, _TYPES)
    if not is_id(pointer.id):
        raise BadMessage("its id is no uuid")
    return pointer
