"""The owner's cookies: by these a poll shows that its browser has asked.

A cookie holds one secret and never changes. A call that needs another one (after a
login or a logout, or because it lasts longer) makes one, beside those that are there.
So the answers to requests made at the same time cannot overwrite each other's, and a
poll may read with every secret that it presents.

The end of a cookie's name is a signature of its value. What other apps on the host
have set, and what somebody made up, is told apart by it and left alone.
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

#: Cookies that are kept; browsers keep at least 50 a host (RFC 6265, section 6.1).
MOST = 40
#: An answer that removes more than a few has a head that proxies refuse.
_MOST_REMOVED = 5
#: Of what a request presents, no more is looked at.
_MOST_READ = 100

#: How long a call may wait for a worker, and run, before its time to live begins.
_WAIT_S = 86_400
#: For so long further calls do with the same cookie.
_SPARE_S = 43_200

_SECRET_BYTES = 16
_SALT = b"nereid_async owner cookie v1"


@dataclass(frozen=True, order=True)
class OwnerCookie:
    """One secret.

    :ivar made_s: when it was made, in seconds since 1970; the newest one is in use.
    :ivar expires_s: how long it is taken, likewise.
    """

    made_s: int
    expires_s: int
    secret: str

    @property
    def value(self) -> str:
        """As the cookie holds it."""
        return f"{self.made_s}.{self.expires_s}.{self.secret}"

    @classmethod
    def from_value(cls, value: str) -> OwnerCookie:
        """Read what :attr:`value` gave."""
        made, expires, secret = value.split(".")
        return cls(int(made), int(expires), secret)


class CookieJar:
    """Names cookies, and reads those of its own. Thread-safe: it has only its keys.

    :param keys: the signing keys; the first names, all are tried in checks.
    :param database: name of the database.
    """

    def __init__(self, keys: Iterable[bytes], database: str) -> None:
        self._keys = [hmac.digest(key, _SALT, hashlib.sha256) for key in keys]
        self._database = database

    def name(self, cookie: OwnerCookie, secure: bool) -> str:
        """The name under which a cookie is set."""
        signature = self._signature(self._keys[0], cookie.value)
        return f"{HOST if secure else ''}{NAME}{signature}"

    def read(self, cookies: Mapping[str, str]) -> dict[str, OwnerCookie]:
        """By name, those of a request that this app has made and that still hold."""
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
    """The visitor of one request, as owner of what it defers.

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
        """The secret that owns a task.

        :param lasting_s: seconds for which a browser may have to present it, besides
            the time that a task waits for a worker.
        """
        newest = max(self._known(), default=None)
        if newest is None or newest.expires_s < time.time() + _WAIT_S + lasting_s:
            newest = self._make(lasting_s)
        return newest.secret

    def renew(self, lasting_s: float) -> None:
        """Use another secret from now on; what the present ones own stays readable.

        Of a visitor without any there is nothing to renew.
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
        """Hand the browser what was made; keep the answer out of shared caches."""
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
    """Keep an answer out of the caches that visitors share, whatever its view wants."""
    response.cache_control.public = False
    response.cache_control.s_maxage = None
    response.cache_control.private = True
    response.vary.add("Cookie")
    for name, _ in list(response.headers):
        # RFC 9213 and its forerunners: to such caches these go before Cache-Control.
        if name.lower().endswith(("cdn-cache-control", "surrogate-control")) or (
            name.lower() == "x-accel-expires"
        ):
            del response.headers[name]
