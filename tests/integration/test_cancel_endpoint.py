"""DELETE /async/result/<uuid> of a task that has not finished: its owner cancels it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devtools.browser import Browser
from tests.fixtures.apps import AppFactory
from tests.helpers import labels, states, wait_until

Burst = Callable[[], None]
CANCELLABLE = {"cancellable": True}

on_the_database = pytest.mark.parametrize(
    "broker_settings", ["database"], indirect=True
)


def test_the_owner_cancels_what_waits(
    client: Browser, burst: Burst, database: str
) -> None:
    task = client.defer("write_entry", "x", configure=CANCELLABLE)
    answer = client.delete(task["url"])
    assert answer.status_code == 202
    assert answer.json == {"id": task["id"], "state": "pending", "progress": None}
    burst()
    for _ in range(2):
        answer = client.get(task["url"])
        assert answer.status_code == 200
        assert answer.json == {"id": task["id"], "state": "cancelled"}
        assert answer.headers["Cache-Control"] == "no-store"
    assert labels(database) == []
    assert client.delete(task["url"] + "?cancel=1").json == answer.json
    assert client.delete(task["url"]).status_code == 204
    assert client.get(task["url"]).status_code == 410


@on_the_database
def test_the_owner_asks_a_run_to_stop(
    client: Browser, burst: Burst, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    task = client.defer(
        "work_until_cancelled", str(started), "check", configure=CANCELLABLE
    )
    worker = threading.Thread(target=burst)
    worker.start()
    try:
        wait_until(started.exists)
        answer = client.delete(task["url"])
        assert (answer.status_code, answer.json["state"]) == (202, "running")
        wait_until(lambda: client.get(task["url"]).json["state"] == "cancelled")
    finally:
        worker.join()
    assert labels(database) == []


@on_the_database
@pytest.mark.parametrize(
    ("options", "query"), [({}, ""), ({}, "?cancel=1"), (CANCELLABLE, "?cancel=0")]
)
def test_what_is_not_to_be_cancelled_runs(
    client: Browser, burst: Burst, options: dict[str, Any], query: str
) -> None:
    """It is not cancellable, or the page just tells that it has the result."""
    task = client.defer("echo", "x", configure=options)
    answer = client.delete(task["url"] + query)
    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    burst()
    assert client.get(task["url"]).json["result"] == "x"


@on_the_database
def test_who_cancels_too_late_loses_no_result(client: Browser, burst: Burst) -> None:
    task = client.defer("echo", "x", configure=CANCELLABLE)
    burst()
    answer = client.delete(task["url"] + "?cancel=1")
    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["result"]) == ("done", "x")
    assert client.get(task["url"]).json["result"] == "x"


@on_the_database
def test_nobody_else_cancels(
    client: Browser, app: Any, burst: Burst, database: str
) -> None:
    task = client.defer("write_entry", "x", configure=CANCELLABLE)
    shared = client.defer("shared_value", "y")
    stranger = Browser(app)
    assert stranger.delete(task["url"]).status_code == 404
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert client.delete(task["url"], headers=elsewhere).status_code == 403
    assert stranger.delete(shared["url"]).status_code == 409
    burst()
    assert labels(database) == ["x"]
    assert states(database) == ["done", "done"]


def test_by_the_route_of_nereid(app_factory: AppFactory, database: str) -> None:
    """Where the fast poll does not answer."""
    browser = Browser(app_factory(ASYNC_FAST_POLL=False))
    task = browser.defer("write_entry", "x", configure=CANCELLABLE)
    assert browser.delete(task["url"]).status_code == 202
    assert browser.get(task["url"]).json == {"id": task["id"], "state": "cancelled"}
    assert states(database) == ["cancelled"]
