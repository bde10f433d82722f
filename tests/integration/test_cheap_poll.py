"""The cheap poll answers as Nereid's own route does, and pays for nothing besides."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.fixtures.apps import AppFactory
from tests.helpers import Browser, burst, query

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
        """The answers: by way of the cheap poll, and of the normal route alone."""
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
    cheap, normal = both.ask(asked["url"], method)
    assert cheap == normal
    # One of the two did not reach Nereid.
    assert dispatched.count == before + 1
    expected = {"pending": "202", "acknowledged": "410", "expired": "410"}
    assert cheap[0].startswith(expected.get(task, "404" if task == "gone" else "200"))


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
    cheap, normal = both.ask(path.format(id=task["id"], upper=task["id"].upper()))
    assert cheap == normal
    assert dispatched.count == before + 2
    assert not cheap[0].startswith("2")


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


# Held polls.


@pytest.fixture
def holding(app_factory: AppFactory) -> Any:
    return app_factory(ASYNC_POLL_MAX_WAIT=20)


def test_a_held_poll_ends_with_the_task(holding: Any) -> None:
    client = Browser(holding)
    task = client.defer("echo", "x")
    answers = []
    poll = threading.Thread(
        target=lambda: answers.append(client.get(task["url"] + "?wait=20"))
    )
    started_s = time.monotonic()
    poll.start()
    burst(holding)
    poll.join()
    assert answers[0].json["result"] == "x"
    assert time.monotonic() - started_s < 15


def test_a_held_poll_holds_no_connection_and_no_transaction(holding: Any) -> None:
    from trytond import backend

    client = Browser(holding)
    task = client.defer("echo", "x")
    poll = threading.Thread(target=lambda: client.get(task["url"] + "?wait=4"))
    poll.start()
    database = holding.database_name
    if backend.name == "postgresql":
        # Between two looks nobody is in a transaction.
        idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = %s"
        assert query(database, idle, database, "idle in transaction") == [(0,)]
    else:
        # Nothing keeps another one from the whole file.
        query(database, "UPDATE async_task SET due_at = due_at")
    assert poll.is_alive()
    poll.join()


def test_the_normal_way_is_never_held(holding: Any) -> None:
    client = Browser(holding)
    task = client.defer("echo", "x")
    holding.wsgi_app = holding.wsgi_app.wsgi_app
    started_s = time.monotonic()
    assert client.get(task["url"] + "?wait=20").status_code == 202
    assert time.monotonic() - started_s < 10
