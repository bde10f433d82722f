"""A process is killed at each point where a message and its row may fall apart.

The proxy before SQS sees each call, and kills the process that makes it: before the
call is passed on, or when it has been answered and the caller does not know yet.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest
import requests

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until
from tests.processes import Process
from tests.proxy import Call, Proxy, Refusal


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return sqs_settings(proxy.url)


class Trap:
    """Kills a process, once, at a call.

    :param at: tells the call.
    """

    def __init__(self, process: Process, at: Callable[[Call], bool]) -> None:
        self._process = process
        self._at = at
        self.sprung = threading.Event()

    def __call__(self, call: Call) -> Refusal | None:
        if not self._at(call) or self.sprung.is_set():
            return None
        os.killpg(self._process.pid, signal.SIGKILL)
        self.sprung.set()
        # A call that has not been passed on yet is not to be any more.
        return Refusal(503, "ServiceUnavailable")


def named(name: str) -> Callable[[Call], bool]:
    return lambda call: call.name == name


def for_a_reply(call: Call) -> bool:
    return call.name == "CreateQueue" and "-reply-" in call.queue


class Visitor:
    """Somebody who talks HTTP to the web process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._token = self._session.get(f"{url}/en/csrf", timeout=30).text

    def post(self, path: str) -> int:
        """POST; the status."""
        answer = self._session.post(
            self._url + path, headers={"X-CSRFToken": self._token}, timeout=30
        )
        return answer.status_code


# In the web process.


def test_after_the_commit_before_the_send(
    commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    web, url = commands.web()
    visitor = Visitor(url)
    trap = Trap(web, named("SendMessageBatch"))
    proxy.watch.before = trap
    with pytest.raises(requests.ConnectionError):
        visitor.post("/en/commit")
    assert trap.sprung.is_set()
    assert query(database, "SELECT count(*) FROM async_test_record") == [(1,)]
    assert states(database) == ["pending"]
    assert queue.left() == 0

    worker = commands.flask("worker")
    worker.wait_until(lambda: states(database) == ["done"], "sent by the relay", 60)
    assert labels(database) == ["commit"]


def test_after_the_send_before_the_mark(
    commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    web, url = commands.web()
    visitor = Visitor(url)
    trap = Trap(web, named("SendMessageBatch"))
    proxy.watch.after = trap
    with pytest.raises(requests.ConnectionError):
        visitor.post("/en/commit")
    assert trap.sprung.is_set()
    assert states(database) == ["pending"]
    assert queue.left() == 1

    # The same message once more, as a relay sends what is not marked.
    ((body,),) = query(database, "SELECT message FROM async_task")
    queue.put(body)
    worker = commands.flask("worker")
    worker.wait_until(lambda: queue.left() == 0, "both are acknowledged", 60)
    assert states(database) == ["done"]
    assert labels(database) == ["commit"]


# In the worker.


class Killed:
    """A worker that was killed at a call, while it saw to one task."""

    def __init__(
        self,
        script: Script,
        commands: Commands,
        proxy: Proxy,
        at: Callable[[Call], bool],
    ) -> None:
        commands.hold_for_a_second()
        with script.transaction():
            task = script.record.write_entry.configure(visibility_timeout=1)
            self.result = task.defer("once")
        worker = commands.worker()
        trap = Trap(worker, at)
        proxy.watch.before = trap
        wait_until(trap.sprung.is_set, 30, "the worker is killed")
        worker.wait(10)
        self._script, self._commands = script, commands

    def next_worker(self, queue: TaskQueue) -> Process:
        """Another worker, when it has seen to the message."""
        worker = self._commands.worker()
        worker.wait_until(lambda: queue.left() == 0, "acknowledged", 30)
        return worker

    def check(self, database: str) -> None:
        """One run has committed, and the asker gets its answer."""
        assert states(database) == ["done"]
        assert labels(database) == ["once"]
        assert query(database, "SELECT attempt FROM async_run") == [(1,)]
        with self._script.transaction():
            assert self.result.get(timeout=5) == "once"


def test_after_the_tasks_commit_before_the_reply(
    script: Script, commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    killed = Killed(script, commands, proxy, for_a_reply)
    assert states(database) == ["done"]
    assert queue.replies() == []
    assert queue.left() == 1

    killed.next_worker(queue)
    assert len(queue.replies()) == 1
    killed.check(database)


def test_after_the_reply_before_the_acknowledgement(
    script: Script, commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    killed = Killed(script, commands, proxy, named("DeleteMessageBatch"))
    assert len(queue.replies()) == 1
    assert queue.left() == 1

    killed.next_worker(queue)
    killed.check(database)


def test_an_answer_that_was_fetched_meanwhile_is_not_sent_again(
    script: Script, commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    killed = Killed(script, commands, proxy, named("DeleteMessageBatch"))
    killed.check(database)
    assert queue.replies() == []

    proxy.made.clear()
    killed.next_worker(queue)
    assert [call for call in proxy.made if for_a_reply(call)] == []
    assert labels(database) == ["once"]
