"""Nothing leaves before the commit; all of it leaves after; nothing leaves twice.

Each test is a real request to a real Nereid app. What left is told by what a worker
finds to do, on both brokers and both databases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nereid import signals as nereid_signals

from devtools.browser import Browser
from tests.helpers import labels, query
from tests.integration.conftest import SignalLog

Burst = Callable[[], None]


def records(database: str) -> list[str]:
    rows = query(database, "SELECT name FROM async_test_record ORDER BY id")
    return [name for (name,) in rows]


@pytest.fixture
def ran(app: Any, database: str, burst: Burst) -> Callable[[], list[str]]:
    """Runs what has left; the labels of all tasks that ran so far."""

    def run() -> list[str]:
        burst()
        return labels(database)

    return run


def test_a_commit_sends(
    client: Browser, database: str, ran: Any, signal_log: SignalLog
) -> None:
    assert client.post("/en/commit").status_code == 200
    assert records(database) == ["commit"]
    assert signal_log.names()[:2] == ["task_deferred", "task_sent"]
    assert labels(database) == []
    assert ran() == ["commit"]
    assert ran() == ["commit"]


def test_an_exception_sends_nothing(
    client: Browser, database: str, ran: Any, waiting: Any, signal_log: SignalLog
) -> None:
    assert client.post("/en/raise").status_code == 500
    assert records(database) == []
    assert waiting() == 0
    assert signal_log.names() == ["task_deferred", "task_discarded"]
    assert signal_log.facts("task_discarded")[0]["reason"] == "rollback"
    assert ran() == []


def test_a_user_error_sends_nothing(client: Browser, ran: Any, waiting: Any) -> None:
    assert client.post("/en/refuse").status_code == 400
    assert waiting() == 0
    assert ran() == []


def test_a_retried_request_sends_once(
    client: Browser, database: str, ran: Any, signal_log: SignalLog
) -> None:
    assert client.post("/en/retry").status_code == 200
    assert records(database) == ["retry"]
    assert signal_log.names().count("task_discarded") == 2
    assert signal_log.names().count("task_sent") == 1
    assert ran() == ["retry 3"]


def test_a_nested_transaction_stands_for_itself(
    client: Browser, ran: Any, waiting: Any
) -> None:
    assert client.post("/en/nested").status_code == 500
    assert waiting() == 1
    assert ran() == ["inner"]


def test_a_nested_rollback_takes_only_its_own(client: Browser, ran: Any) -> None:
    assert client.post("/en/nested-rollback").status_code == 200
    assert ran() == ["outer"]


def test_two_commits_send_each_part_once(
    client: Browser, ran: Any, signal_log: SignalLog
) -> None:
    assert client.post("/en/two-commits").status_code == 200
    assert signal_log.names().count("task_sent") == 2
    assert sorted(ran()) == ["first", "second"]


def test_a_readonly_get_may_defer(client: Browser, ran: Any) -> None:
    assert client.get("/en/readonly-get").status_code == 200
    assert ran() == ["readonly"]


def test_a_head_request_may_defer(client: Browser, ran: Any) -> None:
    assert client.client.head("/en/readonly-get").status_code == 200
    assert ran() == ["readonly"]


def test_a_get_that_may_write_may_defer(client: Browser, ran: Any) -> None:
    assert client.get("/en/readwrite-get").status_code == 200
    assert ran() == ["readwrite"]


def test_what_was_committed_before_an_exception_is_sent(
    client: Browser, ran: Any, waiting: Any
) -> None:
    assert client.post("/en/commit-then-raise").status_code == 500
    assert waiting() == 1
    assert ran() == ["committed"]


@pytest.mark.parametrize("path", ["/en/commit", "/en/nothing", "/en/readonly-get"])
def test_a_receiver_of_the_commit_may_defer(
    client: Browser, database: str, ran: Any, path: str
) -> None:
    from trytond.pool import Pool

    def receive(app: Any) -> None:
        Pool().get("async_test.record").write_entry.defer("receiver")

    client.csrf_token()
    with nereid_signals.transaction_commit.connected_to(receive):
        method = "GET" if path == "/en/readonly-get" else "POST"
        answer = client.post(path) if method == "POST" else client.get(path)
        assert answer.status_code == 200
    assert ran().count("receiver") == 1


def test_nothing_deferred_nothing_sent(
    client: Browser, ran: Any, waiting: Any, signal_log: SignalLog
) -> None:
    assert client.get("/en/nothing").status_code == 200
    assert client.post("/en/nothing").status_code == 200
    assert signal_log.entries == []
    assert waiting() == 0
    assert ran() == []


def test_requests_do_not_see_each_other(client: Browser, ran: Any) -> None:
    client.post("/en/raise")
    client.post("/en/commit")
    client.post("/en/nothing")
    assert ran() == ["commit"]


def test_a_receiver_that_raises_changes_nothing(
    client: Browser, ran: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from nereid_async import signals

    def receive(sender: Any, **facts: Any) -> None:
        raise RuntimeError("a receiver of the test's own")

    with (
        signals.task_deferred.connected_to(receive),
        signals.task_sent.connected_to(receive),
    ):
        assert client.post("/en/commit").status_code == 200
    assert ran() == ["commit"]
    assert "a receiver of the test's own" in caplog.text
