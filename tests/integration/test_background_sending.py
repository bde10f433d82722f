"""``send = background``: requests do not wait, and share their calls."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.browser import Browser
from devtools.databases import PROJECT
from devtools.proxy import Call, Proxy
from devtools.workers import burst
from nereid_async.errors import ConfigurationError
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, app_config, sqs_settings
from tests.helpers import labels, query, states, wait_until


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return {**sqs_settings(proxy.url), "send": "background", "send_timeout": "10"}


@pytest.fixture
def visitor(app: Any, proxy: Proxy) -> Browser:
    """A visitor whose queue is there already."""
    browser = Browser(app)
    browser.post("/en/commit")
    wait_until(lambda: proxy.count("SendMessageBatch"))
    proxy.made.clear()
    return browser


def test_a_request_does_not_wait_for_the_queue(
    visitor: Browser, proxy: Proxy, app: Any, database: str
) -> None:
    go = threading.Event()

    def hang(call: Call) -> None:
        go.wait(30)

    proxy.watch.before = hang
    started_s = time.monotonic()
    for _ in range(3):
        assert visitor.post("/en/commit").status_code == 200
    assert time.monotonic() - started_s < 5
    wait_until(lambda: proxy.count("SendMessageBatch"))
    assert states(database)[1:] == ["pending"] * 3
    go.set()
    # Nothing is sent twice, nothing is lost.
    wait_until(lambda: states(database).count("sent") == 4)
    burst(app)
    assert labels(database) == ["commit"] * 4


def test_messages_of_several_requests_share_a_call(
    visitor: Browser, proxy: Proxy, database: str
) -> None:
    first, go = threading.Event(), threading.Event()

    def hold_the_first(call: Call) -> None:
        first.set()
        go.wait(30)

    proxy.watch.before = hold_the_first
    visitor.post("/en/commit")
    wait_until(first.is_set)
    for _ in range(9):
        visitor.post("/en/commit")
    go.set()
    wait_until(lambda: states(database).count("sent") == 11)
    assert proxy.calls == ["SendMessageBatch"] * 2


def test_nothing_leaves_before_the_commit_nor_after_a_rollback(
    visitor: Browser, proxy: Proxy
) -> None:
    visitor.post("/en/raise")
    visitor.post("/en/several", data={"number": 1})
    wait_until(lambda: proxy.count("SendMessageBatch"))
    (call,) = proxy.made
    assert len(call.parameters["Entries"]) == 1


def test_what_tasks_defer_is_sent_as_well(script: Script, database: str) -> None:
    with script.transaction():
        script.record.write_entry.defer("one")
    # A worker that comes too early for it has nothing to do, and ends.
    wait_until(lambda: states(database) == ["sent"])
    script.burst()
    assert labels(database) == ["one"]


def test_the_rest_is_sent_when_python_ends(
    broker_settings: dict[str, str],
    database: str,
    databases: Any,
    trytond_conf: Any,
    queue: TaskQueue,
) -> None:
    conf = trytond_conf(async_sqs={"signing_key": SECRET_KEY, **broker_settings})
    program = f"""
from nereid_async.tryton_config import config
config.update_etc({str(conf)!r})
from trytond.pool import Pool
from trytond.transaction import Transaction
Pool({database!r}).init()
with Transaction().start({database!r}, 1):
    Pool().get("async_test.record").write_entry.defer("last words")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert queue.left() == 1
    assert query(database, "SELECT state FROM async_task") == [("sent",)]


def test_it_needs_the_rows(app_factory: AppFactory, tryton_conf: ConfWriter) -> None:
    config = app_config({**sqs_settings("http://x"), "send": "background"})
    with pytest.raises(ConfigurationError, match="outbox"):
        app_factory(**config, ASYNC_OUTBOX=False)
