"""The extension's routes, as Nereid serves them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from flask import Response, request, session
from nereid.globals import current_website

from ..result import URL_PREFIX
from ..runtime import Runtime
from . import endpoint

if TYPE_CHECKING:
    from nereid import Nereid

CLIENT_URL = "/async/client.js"


class _Views:
    """Bound methods: Nereid takes a plain function for a model's instance method."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def result(self, task_id: str) -> Response:
        """GET, HEAD, DELETE and OPTIONS of one result."""
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": "GET, HEAD, DELETE, OPTIONS"})
        website = current_website.id
        if request.method == "DELETE":
            answer = endpoint.acknowledge(self._runtime, task_id, session, website)
        else:
            answer = endpoint.read(
                self._runtime, task_id, session, website, request.args.get("wait")
            )
        return Response(answer.text, answer.status, answer.all_headers)

    def client(self) -> Response:
        """The ES module for browsers."""
        script = files(__package__).joinpath("static/client.js").read_text("utf-8")
        response = Response(script, mimetype="text/javascript")
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response


def register(app: Nereid, runtime: Runtime) -> None:
    """Add the routes to the app's own map: they have no locale in front."""
    views = _Views(runtime)
    app.add_url_rule(
        f"{URL_PREFIX}<path:task_id>",
        endpoint="nereid_async.result",
        view_func=views.result,
        methods=["GET", "DELETE", "OPTIONS"],
        provide_automatic_options=False,
        readonly=True,
    )
    app.add_url_rule(CLIENT_URL, endpoint="nereid_async.client", view_func=views.client)
