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

from devtools.processes import Process
from devtools.proxy import Call, Proxy, Refusal, Watch
from nereid_async.errors import TaskFailed
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until

At = Callable[[Call], bool]


@pytest.fixture
def broker_settings(request: pytest.FixtureRequest, proxy: Proxy) -> dict[str, str]:
    """SQS by way of the proxy; a parameter's settings come on top."""
    return {**sqs_settings(proxy.url), **getattr(request, "param", {})}


@pytest.fixture
def reply_queues(
    queue: TaskQueue, broker_settings: dict[str, str]
) -> Callable[[], list[str]]:
    """Tells which reply queues there are, be they empty or not."""

    def urls() -> list[str]:
        answer = queue.client.list_queues(
            QueueNamePrefix=broker_settings["sqs_queue_prefix"]
        )
        return [url for url in answer.get("QueueUrls", []) if "-reply-" in url]

    return urls


class Trap:
    """Kills a process, once, at a call.

    :param at: tells the call.
    """

    def __init__(self, process: Process, at: At) -> None:
        self._process = process
        self._at = at
        self.sprung = threading.Event()

    def __call__(self, call: Call) -> Refusal | None:
        if self.sprung.is_set() or not self._at(call):
            return None
        os.killpg(self._process.pid, signal.SIGKILL)
        self.sprung.set()
        # A call that has not been passed on yet is not to be any more.
        return Refusal(503, "ServiceUnavailable")


def named(name: str) -> At:
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


def kill_the_web_process(commands: Commands, watch: Watch, when: str) -> None:
    """Let a visitor defer, and kill the web process when it sends.

    :param when: ``before`` the call is passed on, or ``after`` its answer.
    """
    web, url = commands.web()
    visitor = Visitor(url)
    trap = Trap(web, named("SendMessageBatch"))
    setattr(watch, when, trap)
    with pytest.raises(requests.ConnectionError):
        visitor.post("/en/commit")
    assert trap.sprung.is_set()
    assert web.wait(10) == -signal.SIGKILL


def check_one_run(database: str) -> None:
    assert states(database) == ["done"]
    assert labels(database) == ["commit"]
    assert query(database, "SELECT attempt FROM async_run") == [(1,)]


def test_after_the_commit_before_the_send(
    commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    kill_the_web_process(commands, proxy.watch, "before")
    assert query(database, "SELECT count(*) FROM async_test_record") == [(1,)]
    assert states(database) == ["pending"]
    assert queue.left() == 0

    proxy.made.clear()
    worker = commands.flask("worker")
    worker.wait_until(lambda: states(database) == ["done"], "sent by the relay", 60)
    worker.wait_until(lambda: queue.left() == 0, "acknowledged")
    assert proxy.count("SendMessageBatch") == 1
    check_one_run(database)


def test_after_the_send_before_the_mark(
    commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    kill_the_web_process(commands, proxy.watch, "after")
    assert states(database) == ["pending"]
    assert queue.left() == 1

    worker = commands.flask("worker")
    worker.wait_until(lambda: queue.left() == 0, "acknowledged", 60)
    check_one_run(database)


def test_a_relay_that_sends_what_was_not_marked_has_no_second_effect(
    commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    kill_the_web_process(commands, proxy.watch, "after")
    assert queue.left() == 1

    # Nobody receives until the relay has seen the row and sent it once more.
    sent_again = threading.Event()

    def hold_back(call: Call) -> None:
        if call.name == "ReceiveMessage":
            sent_again.wait(60)

    def notice(call: Call) -> None:
        if call.name == "SendMessageBatch":
            sent_again.set()

    proxy.made.clear()
    proxy.watch.before, proxy.watch.after = hold_back, notice
    # Of two that come together one would be hidden while the other one runs.
    worker = commands.flask("worker", "--threads", "1")
    worker.wait_until(sent_again.is_set, "sent by the relay", 60)
    worker.wait_until(lambda: queue.left() == 0, "both are acknowledged")
    assert proxy.count("SendMessageBatch") == 1
    check_one_run(database)


# In the worker.


class Killed:
    """A worker that was killed at a call, while it saw to one task."""

    def __init__(
        self,
        script: Script,
        commands: Commands,
        proxy: Proxy,
        at: At,
        task: str = "write_entry",
    ) -> None:
        commands.hold_for_a_second()
        worker = commands.worker()
        trap = Trap(worker, at)
        proxy.watch.before = trap
        with script.transaction():
            method = getattr(script.record, task).configure(visibility_timeout=1)
            self.result = method.defer("once")
        wait_until(trap.sprung.is_set, 60, "the worker is killed")
        assert worker.wait(10) == -signal.SIGKILL
        self._script, self._commands = script, commands

    def next_worker(self, queue: TaskQueue) -> Process:
        """Another worker, when it has seen to the message."""
        worker = self._commands.worker()
        worker.wait_until(lambda: queue.left() == 0, "acknowledged", 60)
        return worker

    def check(self, database: str) -> None:
        """One run has committed, and the owner gets its answer."""
        assert states(database) == ["done"]
        assert labels(database) == ["once"]
        assert query(database, "SELECT attempt FROM async_run") == [(1,)]
        with self._script.transaction():
            assert self.result.get(timeout=5) == "once"


ReplyQueues = Callable[[], list[str]]


def test_after_the_tasks_commit_before_the_reply(
    script: Script,
    commands: Commands,
    proxy: Proxy,
    database: str,
    queue: TaskQueue,
    reply_queues: ReplyQueues,
) -> None:
    killed = Killed(script, commands, proxy, for_a_reply)
    assert states(database) == ["done"]
    assert labels(database) == ["once"]
    assert reply_queues() == []
    assert queue.left() == 1

    killed.next_worker(queue)
    # A deletion that is on its way does not keep the message from coming again.
    assert len(set(queue.replies())) == 1
    killed.check(database)


def test_after_the_end_of_a_failed_task_before_the_reply(
    script: Script,
    commands: Commands,
    proxy: Proxy,
    database: str,
    queue: TaskQueue,
    reply_queues: ReplyQueues,
) -> None:
    killed = Killed(script, commands, proxy, for_a_reply, "fail")
    assert states(database) == ["failed"]
    assert reply_queues() == []
    assert queue.left() == 1

    killed.next_worker(queue)
    assert len(queue.replies()) == 1
    assert len(queue.dead()) == 1
    assert query(database, "SELECT attempt FROM async_run") == [(1,)]
    with script.transaction(), pytest.raises(TaskFailed, match="once"):
        killed.result.get(timeout=5)


def test_after_the_reply_before_the_acknowledgement(
    script: Script, commands: Commands, proxy: Proxy, database: str, queue: TaskQueue
) -> None:
    killed = Killed(script, commands, proxy, named("DeleteMessageBatch"))
    assert len(queue.replies()) == 1
    assert queue.left() == 1

    killed.next_worker(queue)
    killed.check(database)


@pytest.mark.parametrize(
    "at",
    [
        # From its row, which has the answer already.
        pytest.param(for_a_reply, id="before the reply"),
        pytest.param(named("DeleteMessageBatch"), id="after the reply"),
    ],
)
def test_an_answer_that_was_acknowledged_meanwhile_is_not_sent_again(
    script: Script,
    commands: Commands,
    proxy: Proxy,
    database: str,
    queue: TaskQueue,
    reply_queues: ReplyQueues,
    at: At,
) -> None:
    killed = Killed(script, commands, proxy, at)
    killed.check(database)
    with script.transaction():
        killed.result.acknowledge()
    assert reply_queues() == []
    assert queue.left() == 1

    proxy.made.clear()
    killed.next_worker(queue)
    assert [call for call in proxy.made if for_a_reply(call)] == []
    assert reply_queues() == []
    assert states(database) == ["done"]
    assert labels(database) == ["once"]


@pytest.mark.parametrize(
    "broker_settings",
    [pytest.param({"broker": "database", "results": "sqs"}, id="database with sqs")],
    indirect=True,
)
def test_a_row_answers_for_a_reply_that_nobody_will_send(
    script: Script,
    commands: Commands,
    proxy: Proxy,
    database: str,
    reply_queues: ReplyQueues,
) -> None:
    """The row is the message: once it is done, no worker gets it again."""
    killed = Killed(script, commands, proxy, for_a_reply)
    commands.run(commands.worker("--burst"))
    assert reply_queues() == []
    killed.check(database)
