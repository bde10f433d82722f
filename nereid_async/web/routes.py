"""The extension's routes, as Nereid serves them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Response, has_request_context, request, url_for
from nereid.globals import current_website
from werkzeug.wrappers import Response as BaseResponse

from ..messages.task_ids import Owner
from ..runtime import URL_PREFIX
from . import endpoint, fast_poll, login, owners
from .parts import Parts

if TYPE_CHECKING:
    from nereid import Nereid

#: The names of the routes.
RESULT = "nereid_async.result"
CLIENT = "nereid_async.client"


class _Views:
    """Bound methods: Nereid takes a plain function for a model's instance method."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def result(self, task_id: str) -> BaseResponse:
        """GET, HEAD, DELETE and OPTIONS of one result."""
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": "GET, HEAD, DELETE, OPTIONS"})
        if request.method == "DELETE":
            return self._parts.respond(self._acknowledge(task_id))
        error = request.environ.pop(fast_poll.FAILURE, None)
        if error is not None:
            raise error
        response = self._parts.refusal(request)
        if response is not None:
            return response
        # Never held: that would hold Nereid's transaction as well.
        answer = endpoint.read(self._parts.runtime, task_id, self._owners())
        return self._parts.respond(answer)

    def _acknowledge(self, task_id: str) -> endpoint.Answer:
        if not _is_of_own_page():
            return endpoint.FORBIDDEN
        return endpoint.acknowledge(self._parts.runtime, task_id, self._owners())

    def _owners(self) -> list[Owner]:
        website = current_website.id
        self._parts.hosts.learn(request.environ.get("HTTP_HOST"), website)
        secrets = self._parts.secrets(request)
        user = login.of_request(self._parts.app) if secrets else login.ANONYMOUS
        return owners.owners(secrets, user, website)

    def client(self) -> Response:
        """The ES module for browsers."""
        script = files(__package__).joinpath("static/client.js").read_text("utf-8")
        response = Response(script, mimetype="text/javascript")
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.add_etag()
        response.make_conditional(request)
        return response


def register(parts: Parts) -> None:
    """Add the routes to the app's own map, without a locale in front."""
    app, views = parts.app, _Views(parts)
    if parts.runtime.settings.fast_poll:
        app.wsgi_app = fast_poll.FastPolls(parts)
    app.add_url_rule(
        f"{URL_PREFIX}<path:task_id>",
        endpoint=RESULT,
        view_func=views.result,
        methods=["GET", "DELETE", "OPTIONS"],
        provide_automatic_options=False,
        readonly=True,
    )
    app.add_url_rule("/async/client.js", endpoint=CLIENT, view_func=views.client)


def result_url(app: Nereid, task_id: str) -> str:
    """Where a browser fetches a result: below the path that the app is mounted at."""
    if has_request_context():
        # Flask's own: Nereid's adds a locale.
        return url_for(RESULT, task_id=task_id)
    root = str(app.config["APPLICATION_ROOT"]).rstrip("/")
    return f"{root}{URL_PREFIX}{task_id}"


def client_url() -> str:
    """Where the script is, in a request."""
    return url_for(CLIENT)


def exempt_from_tokens(app: Nereid) -> None:
    """Let DELETE do without a CSRF token, which would need a session.

    No page of another origin can make a browser send one: it asks before it does
    (CORS preflight), and no answer allows it; see also :func:`_is_of_own_page`.
    """
    app.extensions["csrf"].exempt(RESULT)


def _is_of_own_page() -> bool:
    """Whether a browser that says where a request comes from names this host."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    # A proxy may have taken the https off.
    own = (f"http://{request.host}", f"https://{request.host}")
    return origin is None or origin in own
