"""A request sends fifty messages by itself, and waits for one time-out at most."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.browser import Browser
from devtools.databases import PROJECT
from devtools.proxy import Call, Proxy
from devtools.workers import worker_thread
from nereid_async.worker.intervals import USUAL
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import Script
from tests.fixtures.services import app_config, sqs_settings
from tests.helpers import labels, query, states, wait_until
from tests.marks import ONE_DATABASE

TIMEOUT_S = 2.0
EACH = 333
MANY = 300

Hold = Callable[[Call], None]


@pytest.fixture
def broker_settings(request: pytest.FixtureRequest, proxy: Proxy) -> dict[str, str]:
    """SQS by way of the proxy; a parameter is the time-out."""
    timeout_s = getattr(request, "param", TIMEOUT_S)
    return {**sqs_settings(proxy.url), "send_timeout": str(timeout_s)}


@pytest.fixture
def visitor(app: Any, proxy: Proxy) -> Browser:
    """A visitor whose queues are there already."""
    browser = Browser(app)
    browser.post("/en/many", data={"queues": "a b c", "number": 1})
    proxy.made.clear()
    return browser


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """Lets calls that are held go on; set at the end, too."""
    event = threading.Event()
    yield event
    event.set()


def messages(proxy: Proxy) -> int:
    """How many the service was sent."""
    return sum(len(call.parameters.get("Entries", ())) for call in proxy.made)


def held(let_go: threading.Event, longest_s: float, after: int = 0) -> Hold:
    """Holds calls until they may go on, or for so long.

    :param after: number of messages that go on at once.
    """
    sent = 0

    def hold(call: Call) -> None:
        nonlocal sent
        sent += len(call.parameters.get("Entries", ()))
        if sent > after:
            let_go.wait(longest_s)

    return hold


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", [60], indirect=True)
def test_the_others_leave_in_the_background(
    visitor: Browser, proxy: Proxy, let_go: threading.Event, database: str
) -> None:
    proxy.watch.before = held(let_go, 30, after=50)
    began_s = time.monotonic()
    visitor.post("/en/many", data={"queues": "a b c", "number": EACH})
    assert time.monotonic() - began_s < 30
    assert messages(proxy) <= 60
    let_go.set()
    wait_until(lambda: states(database) == ["sent"] * 3 * (EACH + 1), 30)
    # Nothing was sent twice.
    assert messages(proxy) == 3 * EACH


@ONE_DATABASE
def test_a_hanging_service_is_waited_for_once(
    visitor: Browser, proxy: Proxy, let_go: threading.Event, database: str
) -> None:
    proxy.watch.before = held(let_go, 30)
    began_s = time.monotonic()
    visitor.post("/en/many", data={"queues": "a b c", "number": EACH})
    assert TIMEOUT_S <= time.monotonic() - began_s < 2 * TIMEOUT_S
    assert states(database)[3:] == ["pending"] * 3 * EACH


@ONE_DATABASE
def test_a_slow_service_is_waited_for_no_longer(
    visitor: Browser, proxy: Proxy, let_go: threading.Event
) -> None:
    proxy.watch.before = held(let_go, TIMEOUT_S * 0.6)
    visitor.post("/en/many", data={"queues": "a", "number": 70})
    # The third call would begin when the time is over; the thread makes it.
    assert proxy.count("SendMessageBatch") in (2, 3)
    let_go.set()
    wait_until(lambda: messages(proxy) == 70, 30)


@pytest.fixture
def bare_visitor(app_factory: AppFactory, proxy: Proxy) -> Browser:
    """A visitor of an app without an outbox."""
    settings = {**sqs_settings(proxy.url), "outbox": "no"}
    return Browser(app_factory(**app_config(settings)))


@ONE_DATABASE
def test_without_an_outbox_a_request_sends_all(
    bare_visitor: Browser, proxy: Proxy
) -> None:
    bare_visitor.post("/en/several", data={"number": 130})
    assert messages(proxy) == 130


_DONE = "SELECT count(*) FROM async_task WHERE state = 'done'"
_PROGRAM = """
from nereid_async.tryton_config import config
config.update_etc({conf!r})
from trytond.pool import Pool
from trytond.transaction import Transaction
Pool({database!r}).init()
with Transaction().start({database!r}, 1):
    task = Pool().get("async_test.record").bare
    task.defer_many(str(number) for number in range({number}))
"""


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("broker_settings", [60], indirect=True)
def test_after_a_kill_the_relay_sends_the_others(
    script: Script,
    proxy: Proxy,
    database: str,
    broker_settings: dict[str, str],
    trytond_conf: Any,
) -> None:
    conf = trytond_conf(async_sqs={"signing_key": SECRET_KEY, **broker_settings})
    program = _PROGRAM.format(conf=str(conf), database=database, number=MANY)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT)

    def kill(call: Call) -> None:
        # The thread has begun with what the commit left to it.
        if messages(proxy) > 150:
            process.kill()

    proxy.watch.before = kill
    assert process.wait(60) == -signal.SIGKILL
    proxy.watch.before = lambda call: None
    assert states(database) == ["pending"] * MANY
    # They are left to their process for ten seconds; let these be over.
    aged = "clock_timestamp() AT TIME ZONE 'UTC' - INTERVAL '11 s'"
    query(database, f"UPDATE async_task SET due_at = {aged}, deferred_at = {aged}")
    with worker_thread(database, 4, replace(USUAL, relay_pause_s=0.2)):
        wait_until(lambda: query(database, _DONE) == [(MANY,)], 60)
    # What was sent and not marked was sent again, and ran once.
    assert messages(proxy) > MANY
    assert sorted(labels(database), key=int) == [str(n) for n in range(MANY)]
