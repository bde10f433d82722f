"""Task ids, which are signed for the owner of the task.

An id is a UUIDv8 (RFC 9562, section 5.8): 64 random bits, and 58 bits of an HMAC over
these bits, the database and the *owner*, who may read the result. So any process with
the key can tell without a look-up whether an owner may read the result of an id, and no
row or message contains the owner's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Regular expression of ids.
ID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

RANDOM_BITS = 64
TAG_BITS = 58

_SALT = b"nereid_async id v1"
_TAG_MASK = (1 << TAG_BITS) - 1


@dataclass(frozen=True)
class Owner:
    """Who may read a result over HTTP.

    :ivar kind: ``"owner"`` (one browser), ``"shared"`` (everybody who has the link) or
        ``"nobody"``.
    :ivar website: id of the website on which the task was deferred, if any.
    :ivar secret: the random secret in the browser's owner cookie.
    :ivar user: flask-login's id of the user logged in at the deferral; empty for an
        anonymous visitor.
    """

    kind: str = "nobody"
    website: int | None = None
    secret: str = field(default="", repr=False)
    user: str = ""


NOBODY = Owner()


class TaskIds:
    """Makes and verifies ids. Thread-safe: it has no state but its keys.

    :param keys: the signing keys; the first signs, all verify.
    :param database: name of the database, which the signature covers.
    """

    def __init__(self, keys: Iterable[bytes], database: str) -> None:
        self._keys = [hmac.digest(key, _SALT, hashlib.sha256) for key in keys]
        self._database = database

    def new(self, owner: Owner = NOBODY) -> str:
        """Make an id for a task whose result only this owner may read."""
        random = secrets.randbits(RANDOM_BITS)
        return str(_pack(random, self._tag(self._keys[0], random, owner)))

    def readable_by(self, task_id: str, owners: Iterable[Owner]) -> bool:
        """Whether one of the owners may read the result of the task.

        An id that is not spelled exactly as :meth:`new` spells it is refused. Apart
        from malformed ids, each refusal takes the same time.
        """
        unpacked = _unpack(task_id)
        if unpacked is None:
            return False
        random, tag = unpacked
        presented = tag.to_bytes(8, "big")
        found = False
        for owner in owners:
            for key in self._keys:
                expected = self._tag(key, random, owner).to_bytes(8, "big")
                found |= hmac.compare_digest(expected, presented)
        return found

    def _tag(self, key: bytes, random: int, owner: Owner) -> int:
        signed = json.dumps(
            [
                random,
                self._database,
                owner.kind,
                owner.website,
                owner.secret,
                owner.user,
            ]
        )
        digest = hmac.digest(key, signed.encode(), hashlib.sha256)
        return int.from_bytes(digest[:8], "big") & _TAG_MASK


# A UUID has 48 bits, 4 of version, 12 bits, 2 of variant, 62 bits: 122 are free.
def _pack(random: int, tag: int) -> uuid.UUID:
    payload = (random << TAG_BITS) | tag
    high = payload >> 74
    middle = (payload >> 62) & 0xFFF
    low = payload & ((1 << 62) - 1)
    return uuid.UUID(int=high << 80 | 8 << 76 | middle << 64 | 0b10 << 62 | low)


def _unpack(task_id: str) -> tuple[int, int] | None:
    try:
        parsed = uuid.UUID(task_id)
    except (ValueError, AttributeError, TypeError):
        return None
    if str(parsed) != task_id or parsed.version != 8:
        return None
    value = parsed.int
    payload = (
        (value >> 80) << 74 | ((value >> 64) & 0xFFF) << 62 | value & ((1 << 62) - 1)
    )
    return payload >> TAG_BITS, payload & _TAG_MASK
