"""The extension's routes, as Nereid serves them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

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
    app.add_url_rule(
        f"{URL_PREFIX}<path:task_id>",
        endpoint=RESULT,
        view_func=views.result,
        methods=["GET", "DELETE", "OPTIONS"],
        provide_automatic_options=False,
        readonly=True,
    )
    app.add_url_rule(CLIENT_URL, endpoint="nereid_async.client", view_func=views.client)
