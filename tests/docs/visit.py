"""An app with the models of a page's samples, a visitor and a worker."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from trytond.pool import Pool
from trytond.transaction import Transaction

from devtools.apps import SECRET_KEY, forget_routes, let_go
from devtools.browser import Browser
from devtools.workers import burst, burst_database
from nereid_async import NereidAsync
from nereid_async.shop import create_app


class Visit:
    """Makes apps on a database; they are let go of at the end.

    :param folder: for sessions and templates.
    :param template: what the page renders.
    """

    def __init__(self, database: str, folder: Path, template: str) -> None:
        self._database = database
        self._folder = folder
        self._template = template
        self._apps: list[Any] = []

    def browser(self) -> Browser:
        """A visitor of a shop that renders the page's template by each name."""
        templates = self._folder / "templates"
        templates.mkdir(exist_ok=True)
        for name in ("export", "report"):
            (templates / f"{name}.jinja").write_text(self._template)
        forget_routes(self._database)
        app = create_app(
            self._database, self._folder / "data", template_folder=str(templates)
        )
        self._apps.append(app)
        return Browser(app)

    def result_of(self, browser: Browser, path: str) -> Any:
        """What the task returns that a view defers and shows."""
        page = browser.post(path)
        assert page.status_code == 200, page.text
        (uuid,) = re.findall('<async-result uuid="([^"]+)"', page.text)
        burst(self._apps[-1])
        answer = browser.get(f"/async/result/{uuid}").json
        assert answer["state"] == "done", answer
        return answer["result"]

    def fail(self) -> None:
        """Let a task, and with it its batch, fail in a worker."""
        with Transaction().start(self._database, 1):
            with NereidAsync.batch("Letters"):
                Pool().get("async_test.record").fail.defer("on purpose")
        burst_database(self._database)

    def look_at_a_result(self, look: Callable[[str], object]) -> None:
        """Let a worker do a task whose result is kept, and look at it by its id."""
        with Transaction().start(self._database, 1):
            result = Pool().get("docs.builder").build.defer()
        burst_database(self._database)
        with Transaction().start(self._database, 1):
            look(result.id)

    def poll_of_flask(self, extension: NereidAsync) -> None:
        """Let a visitor of an app with Flask-Tryton fetch a result of its own."""
        from flask_tryton import Tryton

        app = Flask("web")
        self._apps.append(app)
        app.config.update(SECRET_KEY=SECRET_KEY, TRYTON_DATABASE=self._database)
        # Flask-Tryton replaces it.
        stop = Pool.stop
        Tryton(app)
        Pool.stop = stop
        extension.init_app(app)

        @app.post("/")
        @Tryton.transaction()
        def defer() -> dict[str, str]:
            return {"url": Pool().get("async_test.record").echo.defer("x").url}

        client = app.test_client()
        assert client.get(client.post("/").get_json()["url"]).status_code == 202

    def close(self) -> None:
        """Let the apps go."""
        for app in self._apps:
            let_go(app)
