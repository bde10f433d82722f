"""Polls that the server holds until the task has ended, or something else has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.site import VISITORS
from devtools.workers import burst
from tests.fixtures.apps import AppFactory
from tests.helpers import query, wait_until
from tests.marks import ONE_DATABASE

ADA, _ = VISITORS


@pytest.fixture
def holding(app_factory: AppFactory) -> Any:
    # The test client says that its server has one thread.
    return app_factory(ASYNC_POLL_MAX_WAIT=20, ASYNC_POLL_MAX_HELD=2)


@ONE_DATABASE
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


@ONE_DATABASE
def test_the_normal_way_is_never_held(holding: Any) -> None:
    client = Browser(holding)
    task = client.defer("echo", "x")
    holding.wsgi_app = holding.wsgi_app.wsgi_app
    started_s = time.monotonic()
    assert client.get(task["url"] + "?wait=20").status_code == 202
    assert time.monotonic() - started_s < 10


class Polls:
    """Polls of one result, each in a thread of its own."""

    def __init__(self, client: Browser, url: str, **environ: Any) -> None:
        self.answers: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._client = client
        self._url = f"{url}?wait=20"
        self._environ = environ

    def start(self) -> None:
        """One more."""
        twin = self._client.twin()
        thread = threading.Thread(
            target=lambda: self.answers.append(
                twin.get(self._url, environ_overrides=self._environ)
            )
        )
        thread.start()
        self._threads.append(thread)

    def end(self) -> list[Any]:
        """Wait for all of them; their answers."""
        for thread in self._threads:
            thread.join()
        return self.answers


def wait_until_held(app: Any) -> None:
    """Wait until one of the two places is taken: it was looked at who asks."""
    wait_until(lambda: app.wsgi_app.places.held == 1)


def held_poll_of_ada(app: Any) -> tuple[Browser, dict[str, Any], Polls]:
    """A poll of somebody with an account that is held; who asks, and for what."""
    client = Browser(app)
    client.log_in(ADA)
    task = client.defer("echo", "of ada")
    polls = Polls(client, task["url"])
    polls.start()
    wait_until_held(app)
    return client, task, polls


@ONE_DATABASE
def test_of_many_only_some_are_held(holding: Any) -> None:
    client = Browser(holding)
    task = client.defer("echo", "x")
    polls = Polls(client, task["url"])
    for _ in range(5):
        polls.start()
    # Two wait, three are sent away at once.
    wait_until(lambda: len(polls.answers) == 3)
    assert [answer.status_code for answer in polls.answers] == [202] * 3
    assert {answer.headers["Retry-After"] for answer in polls.answers} == {"1"}
    burst(holding)
    assert sorted(it.status_code for it in polls.end()) == [200, 200, 202, 202, 202]
    # Their places are free again.
    other = client.defer("echo", "y")
    polls = Polls(client, other["url"])
    polls.start()
    polls.start()
    burst(holding)
    assert [answer.status_code for answer in polls.end()] == [200, 200]


@ONE_DATABASE
@pytest.mark.parametrize("threads", [True, False])
def test_without_a_setting_it_depends_on_the_server(
    app_factory: AppFactory, threads: bool
) -> None:
    app = app_factory(ASYNC_POLL_MAX_WAIT=20)
    client = Browser(app)
    task = client.defer("echo", "x")
    polls = Polls(client, task["url"], **{"wsgi.multithread": threads})
    for _ in range(5):
        polls.start()
    wait_until(lambda: len(polls.answers) == (1 if threads else 5))
    burst(app)
    held = [answer for answer in polls.end() if answer.status_code == 200]
    assert len(held) == (4 if threads else 0)


def logged_out(client: Browser, database: str) -> None:
    client.log_out()


def closed(client: Browser, database: str) -> None:
    query(database, "UPDATE nereid_website SET active = %s", False)


@pytest.fixture
def open_again(database: str) -> Iterator[None]:
    yield
    query(database, "UPDATE nereid_website SET active = %s", True)


@ONE_DATABASE
@pytest.mark.usefixtures("open_again")
@pytest.mark.parametrize("end", [logged_out, closed])
def test_it_ends_when_its_visitor_may_read_no_more(
    holding: Any, end: Callable[[Browser, str], None]
) -> None:
    client, task, polls = held_poll_of_ada(holding)
    end(client, holding.database_name)
    (answer,) = polls.end()
    # A closed website is Nereid's to tell, at the next poll.
    assert answer.status_code == (404 if end is logged_out else 202)
    assert client.get(task["url"]).status_code == 404
    # It has not waited for the task.
    assert query(holding.database_name, "SELECT state FROM async_task") == [
        ("pending",)
    ]


@ONE_DATABASE
def test_it_hands_out_nothing_after_a_logout(holding: Any) -> None:
    """Not even what has ended since it last looked at who asks."""
    client, _, polls = held_poll_of_ada(holding)
    client.log_out()
    query(
        holding.database_name,
        "UPDATE async_task SET state = 'done', result = %s",
        '{"value": "of ada"}',
    )
    (answer,) = polls.end()
    assert answer.status_code == 404


@ONE_DATABASE
def test_a_host_that_only_nereid_can_tell_by_now_is_no_end(holding: Any) -> None:
    """What Nereid has found counts for a while, which may end while a poll is held."""
    holding.wsgi_app.parts.framework.hosts.fresh_s = 0.5
    client = Browser(holding)
    task = client.defer("echo", "x")
    polls = Polls(client, task["url"])
    polls.start()
    (answer,) = polls.end()
    assert answer.status_code == 202
    burst(holding)
    assert client.get(task["url"]).json["result"] == "x"
