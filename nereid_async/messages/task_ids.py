"""Task ids that are their own lock.

An id is a UUIDv8 (RFC 9562, section 5.8): 64 random bits, and 58 bits of an HMAC
over them, the database and the *owner*, that is who may read the result. So any
process that has the key tells its own visitor's id from a foreign, a made-up and a
malformed one without looking anything up, and no row or message carries a secret of
the visitor's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

#: How ids are spelled, as a regular expression.
ID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

RANDOM_BITS = 64
TAG_BITS = 58

_SALT = b"nereid_async id v1"
_TAG_MASK = (1 << TAG_BITS) - 1


@dataclass(frozen=True)
class Owner:
    """Who may read a result over HTTP.

    :ivar kind: ``"owner"`` (one visitor), ``"shared"`` (who has the link) or
        ``"nobody"``.
    :ivar website: id of the website the visitor was on, if any.
    :ivar secret: the random secret in the visitor's cookie.
    :ivar user: the user logged in when the task was deferred, as flask-login names
        it; empty for an anonymous visitor.
    """

    kind: str = "nobody"
    website: int | None = None
    secret: str = field(default="", repr=False)
    user: str = ""


NOBODY = Owner()


class TaskIds:
    """Makes ids and tells whose they are. Thread-safe: it has no state but its keys.

    :param keys: the signing keys; the first makes ids, all are tried in checks.
    :param database: name of the database, part of what is signed.
    """

    def __init__(self, keys: Iterable[bytes], database: str) -> None:
        self._keys = [hmac.digest(key, _SALT, hashlib.sha256) for key in keys]
        self._database = database

    def new(self, owner: Owner = NOBODY) -> str:
        """Make an id that only the given owner can read."""
        random = secrets.randbits(RANDOM_BITS)
        return str(_pack(random, self._tag(self._keys[0], random, owner)))

    def readable_by(self, task_id: str, owners: Iterable[Owner]) -> bool:
        """Whether one of the owners may read the result of the task.

        An id that is not spelled the way :meth:`new` spells it is nobody's. Takes
        the same time whatever the reason of a no, apart from malformed ids.
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


# A UUID is 48 bits, 4 of version, 12 bits, 2 of variant, 62 bits: 122 to fill.
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
