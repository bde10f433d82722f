"""The fast poll: WSGI middleware that answers a poll without the app's dispatch.

A request through Nereid opens four Tryton transactions and builds the map of all URLs;
in any app there may be handlers that run before each request.
A poll needs none of that: the cookies tell its owners, the id tells who may read, and
one statement reads the status. Polls that it cannot answer go to the normal route.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from ..messages.task_ids import ID_PATTERN, Owner
from ..runtime import URL_PREFIX
from . import endpoint, held_polls, owners
from .parts import Parts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_POLL = re.compile(f"{URL_PREFIX}({ID_PATTERN})")

#: Key in the WSGI environment of an exception that was raised here.
FAILURE = "nereid_async.failure"


class FastPolls:
    """Middleware around ``app.wsgi_app``. Its answers equal those of the normal route.

    Only this route holds polls: a held poll has no transaction and no connection.

    :ivar parts: the web parts of the app.
    :ivar places: the places for held polls.
    """

    def __init__(self, parts: Parts) -> None:
        self.wsgi_app: WSGIApplication = parts.framework.app.wsgi_app
        self.parts = parts
        settings = parts.runtime.settings
        self.places = held_polls.HeldPolls(
            settings.poll_max_held, settings.poll_max_wait
        )

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer, or pass on."""
        try:
            response = self._response(environ)
        except Exception as error:
            # The normal route raises it again, where Flask handles errors.
            environ[FAILURE] = error
            response = None
        return (response or self.wsgi_app)(environ, start_response)

    def _response(self, environ: WSGIEnvironment) -> Response | None:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        match = _POLL.fullmatch(environ.get("PATH_INFO", ""))
        if match is None:
            return None
        request = self.parts.framework.app.request_class(environ)
        owners = self._owners(request)
        if owners is None:
            return None
        response = self.parts.refusal(request)
        if response is not None:
            return response
        return self.parts.respond(self._answer(match[1], request, owners))

    def _answer(
        self, task_id: str, request: Any, owners: Sequence[Owner]
    ) -> endpoint.Answer:
        def look() -> endpoint.Answer:
            return endpoint.read(self.parts.runtime, task_id, owners)

        def may_read() -> bool | None:
            # The owner may have logged out, or the website may have been closed.
            now = self._owners(request)
            task_ids = self.parts.runtime.task_ids
            return None if now is None else task_ids.readable_by(task_id, now)

        wait = request.args.get("wait")
        with self.places.place(request.environ, wait) as wait_s:
            return held_polls.hold(look, may_read, wait_s)

    def _owners(self, request: Any) -> Sequence[Owner] | None:
        """All owners that a request may read as; None if only the app can tell."""
        secrets = self.parts.secrets(request)
        # Without a secret the user makes no difference.
        visitor = self.parts.framework.early_visitor(request, bool(secrets))
        return None if visitor is None else owners.owners(secrets, visitor)
