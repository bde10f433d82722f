"""Facts in a text whose signature is not verified."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SerializationError
from .serialization import loads
from .wire_fields import is_id


@dataclass(frozen=True)
class Unverified:
    """Facts in a text whose signature is not verified: anybody may have written it.

    :ivar id: the task's id.
    :ivar database: the name of its database.
    :ivar identity: the identity of its database.
    """

    id: str | None = None
    database: str | None = None
    identity: str | None = None


def unverified(text: str) -> Unverified:
    """Read facts of a message without verifying its signature."""
    try:
        payload = loads(text.rpartition(".")[0])
    except SerializationError:
        return Unverified()
    if not isinstance(payload, dict):
        return Unverified()
    found = {name: payload.get(name) for name in ("id", "database", "identity")}
    texts = {name: it for name, it in found.items() if isinstance(it, str)}
    if not is_id(texts.get("id", "")):
        texts.pop("id", None)
    return Unverified(**texts)
