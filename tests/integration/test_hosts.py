"""What is remembered of host names, which come from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from devtools.browser import Browser
from nereid_async.web.hosts import Hosts, Sites, active_websites
from tests.fixtures.apps import AppFactory
from tests.helpers import query, wait_until
from tests.marks import ONE_DATABASE


@pytest.fixture
def website(database: str) -> int:
    """The id of the website."""
    return int(query(database, "SELECT id FROM nereid_website")[0][0])


@pytest.fixture
def hosts(database: str, website: int) -> Hosts:
    return Hosts(database)


@pytest.fixture
def rename(database: str, website: int) -> Iterator[None]:
    """Leaves the websites as they were."""
    (row,) = query(database, "SELECT name, active, id FROM nereid_website")
    yield
    query(
        database,
        "UPDATE nereid_website SET name = %s, active = %s WHERE id = %s",
        *row,
    )


@ONE_DATABASE
def test_a_name_that_was_seen(hosts: Hosts, website: int) -> None:
    assert hosts.website("a.example.com") is None
    hosts.learn("a.example.com", website)
    assert hosts.website("a.example.com") == website
    assert hosts.website("b.example.com") is None


@ONE_DATABASE
def test_no_host_is_not_guessed(hosts: Hosts, website: int) -> None:
    for nothing in (None, ""):
        hosts.learn(nothing, website)
        assert hosts.website(nothing) is None


@ONE_DATABASE
def test_names_are_as_long_as_names_are(hosts: Hosts, website: int) -> None:
    longest = "a" * 255 + ":65535"
    hosts.learn(longest, website)
    hosts.learn(longest + "0", website)
    assert hosts.website(longest) == website
    assert hosts.website(longest + "0") is None


@ONE_DATABASE
def test_a_flood_takes_no_more_than_its_room(database: str, website: int) -> None:
    most = 1_000
    hosts = Hosts(database, most)
    hosts.learn("first.example.com", website)
    for number in range(most):
        if number % 100 == 0:
            # One that is used stays.
            hosts.learn("shop.example.com", website)
        hosts.learn(f"{number}.example.com", website)
    assert hosts.website("shop.example.com") == website
    others = [hosts.website(f"{number}.example.com") for number in range(most)]
    assert others.count(website) == most - 1
    assert hosts.website("first.example.com") is None


@ONE_DATABASE
def test_it_is_forgotten_after_a_while(
    hosts: Hosts, website: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.learn("a.example.com", website)
    later_s = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    assert hosts.website("a.example.com") is None


@pytest.mark.usefixtures("rename")
@pytest.mark.parametrize("change", ["active = false", "name = 'other.example.com'"])
def test_a_change_of_the_websites_is_seen_within_a_second_or_two(
    hosts: Hosts, website: int, database: str, change: str
) -> None:
    hosts.learn("a.example.com", website)
    assert hosts.website("a.example.com") == website
    query(database, f"UPDATE nereid_website SET {change}")
    wait_until(lambda: hosts.website("a.example.com") is None, 10)


@ONE_DATABASE
def test_one_look_a_second_does_for_all(
    database: str, website: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def count(database: str) -> Sites:
        looks.append(1)
        return active_websites(database)

    hosts = Hosts(database, look=count)
    hosts.learn("a.example.com", website)
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    for _ in range(100):
        assert hosts.website("a.example.com") == website
    assert len(looks) == 1


@ONE_DATABASE
def test_all_who_ask_first_at_the_same_time_are_told(
    database: str, website: int
) -> None:
    looking, go = threading.Event(), threading.Event()

    def slowly(database: str) -> Sites:
        looking.set()
        go.wait(10)
        return active_websites(database)

    hosts = Hosts(database, look=slowly)
    hosts.learn("a.example.com", website)
    told: list[int | None] = []

    def ask() -> None:
        told.append(hosts.website("a.example.com"))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    threads[0].start()
    looking.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert told == [website] * 2


@ONE_DATABASE
def test_a_request_without_host_goes_the_normal_way(app_factory: AppFactory) -> None:
    app = app_factory()
    client = Browser(app)
    task = client.defer("echo", "x")
    dispatched = []
    normal = app.wsgi_app.wsgi_app

    def count(environ: Any, start_response: Any) -> Any:
        dispatched.append(environ)
        return normal(environ, start_response)

    app.wsgi_app.wsgi_app = count
    for _ in range(2):
        builder = EnvironBuilder(task["url"], headers=[("Cookie", client.cookies)])
        environ = builder.get_environ()
        del environ["HTTP_HOST"]
        _, status, _ = run_wsgi_app(app.wsgi_app, environ, buffered=True)
        assert status.startswith("202")
    assert len(dispatched) == 2
