"""How it leaves on SQS: in one batch, and after the commit come what may."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.proxy import Proxy
from tests.fixtures.apps import AppFactory
from tests.fixtures.services import app_config, sqs_settings
from tests.helpers import labels, query, states, wait_until
from tests.integration.conftest import SignalLog
from tests.marks import ONE_DATABASE

Burst = Callable[[], None]


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    """SQS only, and by way of the proxy."""
    return sqs_settings(proxy.url)


@pytest.fixture
def visitor(app: Any, proxy: Proxy) -> Browser:
    """A visitor whose queue is there already."""
    browser = Browser(app)
    browser.post("/en/commit")
    proxy.made.clear()
    return browser


@ONE_DATABASE
def test_one_request_makes_one_call(visitor: Browser, proxy: Proxy) -> None:
    assert visitor.post("/en/several", data={"number": 10}).status_code == 200
    assert proxy.calls == ["SendMessageBatch"]


@ONE_DATABASE
def test_commits_in_between_do_not_make_more(visitor: Browser, proxy: Proxy) -> None:
    assert visitor.post("/en/two-commits").status_code == 200
    assert proxy.calls == ["SendMessageBatch"]


@ONE_DATABASE
def test_eleven_make_two_calls(visitor: Browser, proxy: Proxy) -> None:
    visitor.post("/en/several", data={"number": 11})
    assert proxy.calls == ["SendMessageBatch"] * 2


@ONE_DATABASE
@pytest.mark.parametrize("path", ["/en/nothing", "/en/raise"])
def test_no_call_without_a_commit(visitor: Browser, proxy: Proxy, path: str) -> None:
    visitor.post(path)
    assert proxy.calls == []


@ONE_DATABASE
def test_starting_an_app_calls_nobody(app: Any, proxy: Proxy) -> None:
    assert proxy.calls == []


def test_a_broker_that_fails_is_no_error_and_loses_nothing(
    visitor: Browser,
    database: str,
    proxy: Proxy,
    burst: Burst,
    signal_log: SignalLog,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.down = True
    with caplog.at_level(logging.WARNING):
        assert visitor.post("/en/several", data={"number": 2}).status_code == 200
    assert query(database, "SELECT count(*) FROM async_test_record") == [(1,)]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "task_sent" not in signal_log.names()
    assert states(database)[1:] == ["pending", "pending"]
    proxy.down = False

    def done() -> bool:
        burst()
        return len(labels(database)) == 3

    wait_until(done, 30, "the relay has sent what waits")
    assert sorted(labels(database)) == ["commit", "several 0", "several 1"]


def test_a_view_is_not_run_twice_because_of_the_broker(
    visitor: Browser, database: str, proxy: Proxy
) -> None:
    proxy.down = True
    visitor.post("/en/commit")
    assert query(database, "SELECT count(*) FROM async_test_record") == [(2,)]


def test_the_outbox_knows_what_was_confirmed(
    visitor: Browser, database: str, burst: Burst
) -> None:
    visitor.post("/en/commit")
    burst()
    wait_until(lambda: states(database) == ["done", "done"])


@pytest.fixture
def bare_app_on_sqs(app_factory: AppFactory, proxy: Proxy) -> Any:
    return app_factory(**app_config({**sqs_settings(proxy.url), "outbox": "no"}))


def test_the_bare_mode_writes_no_row(
    bare_app_on_sqs: Any, database: str, proxy: Proxy
) -> None:
    browser = Browser(bare_app_on_sqs)
    assert browser.post("/en/commit").status_code == 200
    assert states(database) == []
    assert proxy.count("SendMessageBatch") >= 1


def test_the_bare_mode_keeps_to_the_commit(bare_app_on_sqs: Any, proxy: Proxy) -> None:
    browser = Browser(bare_app_on_sqs)
    browser.post("/en/raise")
    browser.post("/en/refuse")
    assert proxy.calls == []


def test_the_bare_mode_sends_from_a_readonly_get(
    bare_app_on_sqs: Any, proxy: Proxy
) -> None:
    browser = Browser(bare_app_on_sqs)
    assert browser.get("/en/readonly-get").status_code == 200
    assert proxy.count("SendMessageBatch") >= 1
