"""The extension's routes in the URL map of the app."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Response, has_request_context, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ..messages.task_ids import Owner
from ..runtime import URL_PREFIX
from . import endpoint, fast_poll, owners
from .parts import Parts

if TYPE_CHECKING:
    from flask import Flask

    from .framework import Framework

#: Endpoint names of the routes.
RESULT = "nereid_async.result"
CLIENT = "nereid_async.client"


class _Views:
    """The views, as bound methods: Nereid takes a function for a model's method."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def result(self, task_id: str) -> BaseResponse:
        """Answer GET, HEAD, DELETE and OPTIONS of one result."""
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": "GET, HEAD, DELETE, OPTIONS"})
        if request.method == "DELETE":
            return self._parts.respond(self._delete(task_id))
        error = request.environ.pop(fast_poll.FAILURE, None)
        if error is not None:
            raise error
        response = self._parts.refusal(request)
        if response is not None:
            return response
        # Not held: that would keep a transaction of Nereid's open as well.
        answer = endpoint.read(self._parts.runtime, task_id, self._owners())
        return self._parts.respond(answer)

    def _delete(self, task_id: str) -> endpoint.Answer:
        if not _is_of_own_page():
            return endpoint.FORBIDDEN
        wanted = request.args.get("cancel")
        return endpoint.delete(self._parts.runtime, task_id, self._owners(), wanted)

    def _owners(self) -> list[Owner]:
        secrets = self._parts.secrets(request)
        # Without a secret the user makes no difference.
        return owners.owners(secrets, self._parts.framework.visitor(bool(secrets)))

    def client(self) -> Response:
        """Answer with the ES module for browsers."""
        script = files(__package__).joinpath("static/client.js").read_text("utf-8")
        response = Response(script, mimetype="text/javascript")
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.add_etag()
        response.make_conditional(request)
        return response


def register(parts: Parts) -> None:
    """Add the routes to the app's own URL map, which has no locale prefix."""
    app, views = parts.framework.app, _Views(parts)
    if parts.runtime.settings.fast_poll:
        app.wsgi_app = fast_poll.FastPolls(parts)
    app.add_url_rule(
        f"{URL_PREFIX}<path:task_id>",
        endpoint=RESULT,
        view_func=views.result,
        methods=["GET", "DELETE", "OPTIONS"],
        provide_automatic_options=False,
        **parts.framework.route_options,
    )
    app.add_url_rule("/async/client.js", endpoint=CLIENT, view_func=views.client)


def result_url(app: Flask, task_id: str) -> str:
    """The URL of a result for browsers, below the path where the app is mounted."""
    if has_request_context():
        # Flask's url_for(), since Nereid's adds a locale.
        return url_for(RESULT, task_id=task_id)
    root = str(app.config["APPLICATION_ROOT"]).rstrip("/")
    return f"{root}{URL_PREFIX}{task_id}"


def client_url() -> str:
    """The URL of the script, for use in a request."""
    return url_for(CLIENT)


def exempt_from_tokens(framework: Framework) -> None:
    """Exempt DELETE from the CSRF token, which would need a session.

    A page of another origin cannot make a browser send a DELETE: the browser sends a
    CORS preflight first, and no answer allows it; see also :func:`_is_of_own_page`.
    """
    framework.exempt_from_tokens(RESULT)


def _is_of_own_page() -> bool:
    """Whether a request comes from a page of this host, as far as its browser tells."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    # Both schemes: a proxy may have terminated https.
    own = (f"http://{request.host}", f"https://{request.host}")
    return origin is None or origin in own
