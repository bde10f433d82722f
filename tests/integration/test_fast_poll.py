"""The fast poll answers as Nereid's own route does, and pays for nothing besides."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, got_request_exception
from werkzeug.exceptions import Forbidden
from werkzeug.test import EnvironBuilder, run_wsgi_app

from devtools.browser import Browser
from nereid_async import NereidAsync
from tests.fixtures.apps import AppFactory
from tests.helpers import query
from tests.marks import ONE_DATABASE, once

Burst = Callable[[], None]


class Dispatched:
    """Counts the requests that reach Nereid."""

    def __init__(self, app: Any) -> None:
        self.count = 0
        self._wsgi_app = app.wsgi_app.wsgi_app
        app.wsgi_app.wsgi_app = self

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.count += 1
        return self._wsgi_app(environ, start_response)


@pytest.fixture
def dispatched(app: Any) -> Dispatched:
    return Dispatched(app)


class BothRoutes:
    """Asks both routes the same, with one visitor's cookie."""

    def __init__(self, app: Any, browser: Browser) -> None:
        self._app = app
        self._browser = browser

    def ask(self, path: str, method: str = "GET") -> tuple[Any, Any]:
        """The answers: by way of the fast poll, and of the normal route alone."""
        cookie = [("Cookie", self._browser.cookies)]
        builder = EnvironBuilder(path, method=method, headers=cookie)
        return (
            _answer(self._app.wsgi_app, builder.get_environ()),
            _answer(self._app.wsgi_app.wsgi_app, builder.get_environ()),
        )


def _answer(wsgi_app: Any, environ: dict[str, Any]) -> tuple[Any, ...]:
    body, status, headers = run_wsgi_app(wsgi_app, environ, buffered=True)
    told = [it for it in headers if it[0] not in ("Date", "Set-Cookie")]
    return status, sorted(told), b"".join(body)


@pytest.fixture
def both(app: Any, client: Browser) -> BothRoutes:
    return BothRoutes(app, client)


@ONE_DATABASE
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "task", ["pending", "done", "failed", "acknowledged", "expired", "gone"]
)
def test_same_answers_same_headers(
    both: BothRoutes,
    client: Browser,
    burst: Burst,
    database: str,
    dispatched: Dispatched,
    method: str,
    task: str,
) -> None:
    asked = client.defer("fail" if task == "failed" else "echo", "x")
    if task != "pending":
        burst()
    if task == "acknowledged":
        assert client.delete(asked["url"]).status_code == 204
    if task == "expired":
        query(database, "UPDATE async_task SET expires_at = deferred_at")
    if task == "gone":
        query(database, "DELETE FROM async_task")
    before = dispatched.count
    fast, normal = both.ask(asked["url"], method)
    assert fast == normal
    # One of the two did not reach Nereid.
    assert dispatched.count == before + 1
    expected = {"pending": "202", "acknowledged": "410", "expired": "410"}
    assert fast[0].startswith(expected.get(task, "404" if task == "gone" else "200"))


def test_the_same_no_for_a_stranger_and_for_what_is_unknown(
    app: Any, client: Browser, burst: Burst, dispatched: Dispatched
) -> None:
    task = client.defer("echo", "x")
    burst()
    stranger = Browser(app)
    stranger.defer("echo", "something of one's own")
    both = BothRoutes(app, stranger)
    before = dispatched.count
    answers = {
        answer
        for path in (task["url"], f"/async/result/{uuid.uuid4()}")
        for answer in (
            (status, tuple(headers), body) for status, headers, body in both.ask(path)
        )
    }
    assert len(answers) == 1
    assert dispatched.count == before + 2


@once
@pytest.mark.parametrize(
    "path",
    [
        "/async/result/",
        "/async/result/x",
        "/async/result/{upper}",
        "/async/result/{id}/",
        "/async/result//{id}",
        "/async/result/{id}%00",
        "/en/async/result/{id}",
        "/async/result/{id}0",
    ],
)
def test_other_spellings_go_the_normal_way(
    both: BothRoutes, client: Browser, dispatched: Dispatched, path: str
) -> None:
    task = client.defer("echo", "x")
    before = dispatched.count
    fast, normal = both.ask(path.format(id=task["id"], upper=task["id"].upper()))
    assert fast == normal
    assert dispatched.count == before + 2
    assert not fast[0].startswith("2")


@once
def test_a_host_that_is_not_known_goes_the_normal_way(
    app: Any, client: Browser, dispatched: Dispatched
) -> None:
    task = client.defer("echo", "x")
    assert client.get(task["url"]).status_code == 202
    before = dispatched.count
    for _ in range(2):
        answer = client.get(task["url"], base_url="http://other.example.com/")
        assert answer.status_code == 404  # another host has other cookies
    assert dispatched.count == before + 1


@once
def test_posts_and_deletes_go_the_normal_way(
    app: Any, client: Browser, burst: Burst, dispatched: Dispatched
) -> None:
    task = client.defer("echo", "x")
    burst()
    before = dispatched.count
    assert client.delete(task["url"]).status_code == 204
    assert client.client.options(task["url"]).status_code == 204
    assert client.post(task["url"]).status_code == 405
    assert dispatched.count == before + 3


@ONE_DATABASE
def test_a_store_that_needs_the_app_goes_the_normal_way(
    app_factory: AppFactory,
) -> None:
    from cachelib import SimpleCache
    from nereid.sessions import MemcachedSessionStore

    app = app_factory(CACHE_TYPE="cachelib.SimpleCache")
    app.cache = SimpleCache()
    app.session_interface.session_store = MemcachedSessionStore()
    dispatched = Dispatched(app)
    client = Browser(app)
    task = client.defer("echo", "x")
    before = dispatched.count
    assert client.get(task["url"]).status_code == 202
    assert dispatched.count == before + 1


# What the app has a say in.


@pytest.fixture(params=["fast", "normal"])
def way(request: pytest.FixtureRequest) -> str:
    """Each of the two routes in turn."""
    return str(request.param)


def one_way(app: Any, way: str) -> Any:
    """The app with one of its routes for polls only."""
    if way == "normal":
        app.wsgi_app = app.wsgi_app.wsgi_app
    return app


@ONE_DATABASE
def test_a_setting_turns_it_off(app_factory: AppFactory) -> None:
    """Maintenance: before_request handlers are heard before polls as well."""
    app = app_factory(ASYNC_FAST_POLL="no")
    client = Browser(app)
    task = client.defer("echo", "x")
    assert client.get(task["url"]).status_code == 202
    app.before_request_funcs[None].append(lambda: ("closed", 503))
    assert client.get(task["url"]).status_code == 503


HEADERS = {"Content-Security-Policy": "default-src 'none'", "X-Shop": "a b"}


@ONE_DATABASE
@pytest.mark.parametrize(
    "given", [HEADERS, "\n".join(f"{name}: {it}" for name, it in HEADERS.items())]
)
def test_headers(app_factory: AppFactory, way: str, given: Any) -> None:
    app = one_way(app_factory(ASYNC_POLL_HEADERS=given), way)
    client = Browser(app)
    task = client.defer("echo", "x")
    for url in (task["url"], f"/async/result/{uuid.uuid4()}"):
        answer = client.get(url)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert client.get("/async/client.js").headers["X-Content-Type-Options"] == "nosniff"


@ONE_DATABASE
def test_a_hook_may_refuse(app_factory: AppFactory, way: str) -> None:
    extension = NereidAsync()
    asked = []

    @extension.before_poll
    def allow_all(request: Any) -> None:
        asked.append(request.path)

    app = one_way(app_factory(extension=extension), way)
    client = Browser(app)
    task = client.defer("echo", "x")
    assert client.get(task["url"]).status_code == 202
    assert asked == [task["url"]]

    # Also one that comes late, and whatever the visitor sends.
    @extension.before_poll
    def refuse(request: Any) -> Response | None:
        if request.remote_addr == "127.0.0.1":
            return Response("slowly", 429, {"Retry-After": "9"})
        return None

    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Host": "other.example.com"}):
        answer = client.get(task["url"], headers=headers)
        assert (answer.status_code, answer.text) == (429, "slowly")
        assert answer.headers["Retry-After"] == "9"
    assert client.client.head(task["url"]).status_code == 429


@ONE_DATABASE
def test_a_hook_that_returns_something_else_is_told_so(
    app_factory: AppFactory, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    extension = NereidAsync()

    @extension.before_poll
    def closed(request: Any) -> Any:
        return "closed", 503

    app = one_way(app_factory(extension=extension), way)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = Browser(app)
    assert client.get(client.defer("echo", "x")["url"]).status_code == 500
    assert "before_poll: closed returned no Response: ('closed', 503)" in caplog.text


@ONE_DATABASE
def test_what_a_hook_raises_is_handled_as_a_views(
    app_factory: AppFactory, way: str
) -> None:
    extension = NereidAsync()
    failures: list[Exception] = [NotImplementedError("the hook's"), Forbidden()]

    @extension.before_poll
    def fail(request: Any) -> None:
        raise failures[-1]

    app = one_way(app_factory(extension=extension), way)
    app.register_error_handler(NotImplementedError, lambda error: (f"{error}", 418))
    seen = []

    @app.errorhandler(403)
    def tell(error: Exception) -> tuple[str, int]:
        seen.append(error)
        return "no", 403

    client = Browser(app)
    task = client.defer("echo", "x")
    assert client.get(task["url"]).text == "no"
    assert seen == [failures.pop()]
    answer = client.get(task["url"])
    assert (answer.status_code, answer.text) == (418, "the hook's")


@ONE_DATABASE
def test_an_error_of_its_own_is_logged_and_signalled_as_a_views(
    app_factory: AppFactory, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that was not updated, say."""
    app = one_way(app_factory(), way)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = Browser(app)
    task = client.defer("echo", "x")
    told = []

    def tell(sender: Any, exception: Exception, **_: Any) -> None:
        told.append(exception)

    got_request_exception.connect(tell, sender=app)
    rename = "ALTER TABLE async_run RENAME TO {}"
    query(app.database_name, rename.format("elsewhere"))
    try:
        answer = client.get(task["url"])
    finally:
        query(app.database_name, "ALTER TABLE elsewhere RENAME TO async_run")
    assert answer.status_code == 500
    assert len(told) == 1
    (record,) = [it for it in caplog.records if it.name == app.logger.name]
    assert record.exc_info is not None
    assert "async_run" in str(record.exc_info[1])
    assert task["url"] in record.getMessage()
