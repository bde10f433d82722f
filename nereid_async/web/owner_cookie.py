"""Owner cookies, by which a poll proves that its browser has deferred the task.

A cookie holds one secret and never changes. When another secret is needed (after a
login or a logout, or for a longer life), a further cookie is made beside the present
ones. So answers to concurrent requests cannot overwrite each other's cookies, and a
poll may read with each secret that it presents.

The end of a cookie's name is a signature of its value. Cookies without a right one, of
other apps on the host or forged, are ignored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import math
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Response

NAME = "nereid_async-"
#: Browsers take a cookie with this prefix only over https, for this host alone.
HOST = "__Host-"

#: Cookies that are kept; browsers keep at least 50 per host (RFC 6265, section 6.1).
MOST = 40
#: Cookies that one answer removes, at most: proxies refuse long heads.
_MOST_REMOVED = 5
#: Cookies of a request that are checked, at most.
_MOST_READ = 100

#: How long a task may wait for a worker and run, before its result's time to live.
_WAIT_S = 86_400
#: How long later calls can use the same cookie, besides.
_SPARE_S = 43_200

_SECRET_BYTES = 16
_SALT = b"nereid_async owner cookie v1"


@dataclass(frozen=True, order=True)
class OwnerCookie:
    """The value of an owner cookie.

    :ivar made_s: when it was made, in seconds since 1970; the newest one is in use.
    :ivar expires_s: when it expires, in seconds since 1970.
    :ivar secret: random text.
    """

    made_s: int
    expires_s: int
    secret: str

    @property
    def value(self) -> str:
        """The text of the cookie."""
        return f"{self.made_s}.{self.expires_s}.{self.secret}"

    @classmethod
    def from_value(cls, value: str) -> OwnerCookie:
        """Parse a text that :attr:`value` has made."""
        made, expires, secret = value.split(".")
        return cls(int(made), int(expires), secret)


class CookieJar:
    """Signs and verifies owner cookies. Thread-safe: it has no state but its keys.

    :param keys: the signing keys; the first signs, all verify.
    :param database: name of the database.
    """

    def __init__(self, keys: Iterable[bytes], database: str) -> None:
        self._keys = [hmac.digest(key, _SALT, hashlib.sha256) for key in keys]
        self._database = database

    def name(self, cookie: OwnerCookie, secure: bool) -> str:
        """The name of a cookie, with its signature.

        :param secure: whether the request came over https.
        """
        signature = self._signature(self._keys[0], cookie.value)
        return f"{HOST if secure else ''}{NAME}{signature}"

    def read(self, cookies: Mapping[str, str]) -> dict[str, OwnerCookie]:
        """The owner cookies of a request that are valid and not expired, by name."""
        ours = (
            (name, value)
            for name, value in cookies.items()
            if name.removeprefix(HOST).startswith(NAME)
        )
        found = {
            name: OwnerCookie.from_value(value)
            for name, value in itertools.islice(ours, _MOST_READ)
            if self._is_signed(name, value)
        }
        now_s = time.time()
        return {name: it for name, it in found.items() if it.expires_s > now_s}

    def _is_signed(self, name: str, value: str) -> bool:
        presented = name.removeprefix(HOST).removeprefix(NAME).encode()
        return any(
            hmac.compare_digest(self._signature(key, value).encode(), presented)
            for key in self._keys
        )

    def _signature(self, key: bytes, value: str) -> str:
        signed = f"{self._database}\0{value}".encode()
        digest = hmac.digest(key, signed, hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:9]).decode()


class OwnerCookies:
    """The owner cookies of one request: presented ones, and new ones for its answer.

    :param cookies: all cookies of the request.
    :param secure: whether the request came over https.
    """

    def __init__(self, jar: CookieJar, cookies: Mapping[str, str], secure: bool):
        self._jar = jar
        self._secure = secure
        # Over https a cookie without the prefix may come from a neighbouring host.
        self._presented = {
            name: it
            for name, it in jar.read(cookies).items()
            if name.startswith(HOST) == secure
        }
        self._made: list[OwnerCookie] = []

    def secret(self, lasting_s: float) -> str:
        """The secret for a task that is deferred now; makes one if none lasts enough.

        :param lasting_s: seconds for which the browser may have to present it, besides
            the time that the task waits for a worker and runs.
        """
        newest = max(self._known(), default=None)
        if newest is None or newest.expires_s < time.time() + _WAIT_S + lasting_s:
            newest = self._make(lasting_s)
        return newest.secret

    def renew(self, lasting_s: float) -> None:
        """Use another secret from now on; the tasks of the present ones stay readable.

        Does nothing for a browser without owner cookies.

        :param lasting_s: as of :meth:`secret`.
        """
        if self._known():
            self._make(lasting_s)

    def _known(self) -> list[OwnerCookie]:
        return [*self._presented.values(), *self._made]

    def _make(self, lasting_s: float) -> OwnerCookie:
        now_s = int(time.time())
        made = OwnerCookie(
            max([now_s, *(it.made_s + 1 for it in self._known())]),
            now_s + math.ceil(_WAIT_S + lasting_s + _SPARE_S),
            secrets.token_urlsafe(_SECRET_BYTES),
        )
        self._made.append(made)
        return made

    def set_cookies(self, response: Response) -> None:
        """Set the new cookies, and keep the answer out of shared caches."""
        if not self._made:
            return
        attributes: dict[str, Any] = {
            "path": "/",
            "secure": self._secure,
            "httponly": True,
            "samesite": "Lax",
        }
        for cookie in self._made:
            name = self._jar.name(cookie, self._secure)
            lasting_s = cookie.expires_s - int(time.time())
            response.set_cookie(name, cookie.value, max_age=lasting_s, **attributes)
        for name in self._too_many():
            response.delete_cookie(name, **attributes)
        keep_private(response)

    def _too_many(self) -> list[str]:
        excess = len(self._presented) + len(self._made) - MOST
        oldest_first = sorted(self._presented, key=self._presented.__getitem__)
        return oldest_first[: max(0, min(excess, _MOST_REMOVED))]


def keep_private(response: Response) -> None:
    """Keep an answer out of caches that visitors share, whatever its view has set."""
    response.cache_control.public = False
    response.cache_control.s_maxage = None
    response.cache_control.private = True
    response.vary.add("Cookie")
    for name, _ in list(response.headers):
        # Shared caches prefer these to Cache-Control (RFC 9213, and its forerunners).
        if name.lower().endswith(("cdn-cache-control", "surrogate-control")) or (
            name.lower() == "x-accel-expires"
        ):
            del response.headers[name]
