"""The extension's routes, as Nereid serves them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Response, request
from nereid.globals import current_website

from ..result import URL_PREFIX
from ..runtime import Runtime
from . import cheap_poll, endpoint, login, visitor
from .owner_cookie import CookieJar

if TYPE_CHECKING:
    from nereid import Nereid

CLIENT_URL = "/async/client.js"

RESULT = "nereid_async.result"


class _Views:
    """Bound methods: Nereid takes a plain function for a model's instance method."""

    def __init__(
        self, runtime: Runtime, jar: CookieJar, hosts: cheap_poll.Hosts
    ) -> None:
        self._runtime = runtime
        self._jar = jar
        self._hosts = hosts

    def result(self, task_id: str) -> Response:
        """GET, HEAD, DELETE and OPTIONS of one result."""
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": "GET, HEAD, DELETE, OPTIONS"})
        if request.method == "DELETE" and not _is_of_own_page():
            return cheap_poll.respond(endpoint.FORBIDDEN)
        website = current_website.id
        self._hosts.learn(request.environ.get("HTTP_HOST", ""), website)
        secrets = [it.secret for it in self._jar.read(request.cookies).values()]
        user = login.of_request() if secrets else login.ANONYMOUS
        audiences = visitor.audiences(secrets, user, website)
        if request.method == "DELETE":
            answer = endpoint.acknowledge(self._runtime, task_id, audiences)
        else:
            # Never held: that would hold Nereid's transaction as well.
            answer = endpoint.read(self._runtime, task_id, audiences)
        return cheap_poll.respond(answer)

    def client(self) -> Response:
        """The ES module for browsers."""
        script = files(__package__).joinpath("static/client.js").read_text("utf-8")
        response = Response(script, mimetype="text/javascript")
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response


def register(
    app: Nereid, runtime: Runtime, jar: CookieJar, hosts: cheap_poll.Hosts
) -> None:
    """Add the routes to the app's own map, without a locale in front.

    :param hosts: what the cheap poll knows of hosts; the routes add to it.
    """
    views = _Views(runtime, jar, hosts)
    app.wsgi_app = cheap_poll.CheapPolls(app, runtime, jar, hosts)
    _exempt_from_tokens(app)
    app.add_url_rule(
        f"{URL_PREFIX}<path:task_id>",
        endpoint=RESULT,
        view_func=views.result,
        methods=["GET", "DELETE", "OPTIONS"],
        provide_automatic_options=False,
        readonly=True,
    )
    app.add_url_rule(CLIENT_URL, endpoint="nereid_async.client", view_func=views.client)


def _exempt_from_tokens(app: Nereid) -> None:
    """Let DELETE do without a CSRF token, which would need a session.

    No page of another origin can make a browser send one: it asks before it does
    (CORS preflight), and no answer allows it; see also :func:`_is_of_own_page`.
    """

    def exempt() -> None:
        app.extensions["csrf"].exempt(RESULT)

    if app.initialised:
        exempt()
    else:
        # Nereid makes its protection in initialise(), whose handler comes after ours.
        app.before_request(exempt)


def _is_of_own_page() -> bool:
    """Whether a browser that says where a request comes from names this host."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
