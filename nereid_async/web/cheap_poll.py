"""The cheap poll: WSGI middleware that answers a poll without Nereid's dispatch.

A request through Nereid opens four Tryton transactions and builds the map of all
URLs. A poll needs none of it: the session tells who asks, the id whose it is, and one
read where the task stands. What this cannot answer it leaves to the normal route.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flask import Response

from ..identity import ID_PATTERN, Audience
from ..result import URL_PREFIX
from ..runtime import Runtime
from . import endpoint, login, visitor
from .owner_cookie import CookieJar

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from nereid import Nereid

_POLL = re.compile(f"{URL_PREFIX}({ID_PATTERN})")


class Hosts:
    """Which website Nereid has found for a host name, lately. Thread-safe."""

    #: A website may be given another name.
    _FRESH_S = 60.0
    #: Host names come from outside: no more than these are remembered.
    _LIMIT = 1_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._websites: dict[str, tuple[int, float]] = {}

    def learn(self, host: str, website: int) -> None:
        """Note what Nereid has found."""
        with self._lock:
            if len(self._websites) >= self._LIMIT:
                self._websites.clear()
            self._websites[host] = website, time.monotonic() + self._FRESH_S

    def website(self, host: str) -> int | None:
        """The website's id; None for a host that was not seen lately."""
        website, until_s = self._websites.get(host, (None, 0.0))
        return website if time.monotonic() < until_s else None


class CheapPolls:
    """Middleware around ``app.wsgi_app``. Answers as the normal route does.

    Polls are held here only, and hold neither a transaction nor a connection.

    :param hosts: filled by what Nereid dispatches: deferrals, and the normal route.
    """

    def __init__(
        self, app: Nereid, runtime: Runtime, jar: CookieJar, hosts: Hosts
    ) -> None:
        self.wsgi_app: WSGIApplication = app.wsgi_app
        self._app = app
        self._runtime = runtime
        self._jar = jar
        self._hosts = hosts

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer, or pass on."""
        answer = self._answer(environ)
        if answer is None:
            return self.wsgi_app(environ, start_response)
        return respond(answer)(environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> endpoint.Answer | None:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        match = _POLL.fullmatch(environ.get("PATH_INFO", ""))
        website = self._hosts.website(environ.get("HTTP_HOST", ""))
        if match is None or website is None:
            return None
        request = self._app.request_class(environ)
        audiences = self._audiences(request, website)
        if audiences is None:
            return None
        wait = request.args.get("wait")
        return endpoint.read(self._runtime, match[1], audiences, wait)

    def _audiences(self, request: Any, website: int) -> Sequence[Audience] | None:
        """What the visitor may read; None where only Nereid can tell."""
        secrets = [it.secret for it in self._jar.read(request.cookies).values()]
        # Without a secret it does not matter who is logged in.
        user = self._user(request) if secrets else login.ANONYMOUS
        return None if user is None else visitor.audiences(secrets, user, website)

    def _user(self, request: Any) -> str | None:
        try:
            session = self._app.session_interface.open_session(self._app, request)
        except Exception:
            # A store that needs the app's context, such as Nereid's memcached one, or
            # one that fails: it does so once more where Flask sees it.
            return None
        if session is None:
            return None
        return login.of_session(self._app, request, session)


def respond(answer: endpoint.Answer) -> Response:
    """The answer as both routes send it."""
    return Response(answer.text, answer.status, answer.all_headers)
