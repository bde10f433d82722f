"""Of idle processes one asks a queue, for each long poll is billed."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devtools.proxy import Call, Proxy
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import sqs_settings
from tests.helpers import labels, states, wait_until

PROCESSES = 3

#: What is polled, and by whom, does not depend on the database.
pytestmark = pytest.mark.backends("postgresql")


@dataclass
class Polls:
    """Counts receives on their way, by queue."""

    under_way: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    waits_s: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, call: Call) -> None:
        if call.name == "ReceiveMessage":
            with self.lock:
                self.waits_s.add(call.parameters["WaitTimeSeconds"])
                self.under_way[call.queue] += 1
                self.most |= self.under_way

    def end(self, call: Call) -> None:
        if call.name == "ReceiveMessage":
            with self.lock:
                self.under_way[call.queue] -= 1
                self.ended[call.queue] += 1

    def wait_for_more(self, number: int) -> None:
        """Wait until so many more have ended."""
        ended = self.ended.total()
        wait_until(lambda: self.ended.total() >= ended + number)


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return {**sqs_settings(proxy.url), "sqs_wait_time": "1"}


@pytest.fixture
def polls(proxy: Proxy) -> Polls:
    polls = Polls()
    proxy.watch.before = polls.begin
    proxy.watch.after = polls.end
    return polls


@pytest.mark.parametrize("queues", [("a",), ("a", "b")])
def test_one_of_several_polls_each_queue(
    polls: Polls, commands: Commands, queues: Sequence[str]
) -> None:
    named = [word for queue in queues for word in ("--queue", queue)]
    worker = commands.worker("--processes", str(PROCESSES), *named)
    worker.wait_until(
        lambda: sorted(polls.ended.values())[: len(queues)] >= [5] * len(queues),
        "it polls",
        60,
    )
    assert len(worker.children) == PROCESSES
    assert list(polls.most.values()) == [1] * len(queues)
    # Each poll is billed: those that do not wait would be many.
    assert polls.waits_s == {1}


def test_the_others_poll_while_one_is_busy(
    polls: Polls, script: Script, commands: Commands, tmp_path: Path
) -> None:
    worker = commands.worker("--processes", "2")
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        for _ in range(2):
            script.record.wait_for_file.defer(str(started), str(go))
    worker.wait_until(
        lambda: started.exists() and len(started.read_text().splitlines()) == 2,
        "both processes run one",
        60,
    )
    go.touch()
    worker.wait_until(lambda: states(script.database) == ["done"] * 2, "done")


def test_a_process_that_is_killed_takes_no_token_along(
    polls: Polls, script: Script, commands: Commands
) -> None:
    # A poll of the dead may take the message along, for as long as it is held.
    commands.hold_for_a_second()
    worker = commands.worker("--processes", "2")
    worker.wait_until(lambda: polls.ended.total() >= 1, "it polls", 60)
    for pid in worker.children:
        os.kill(pid, signal.SIGKILL)
    with script.transaction():
        script.record.write_entry.defer("after the kill")
    wait_until(lambda: labels(script.database) == ["after the kill"], 60)


def test_a_process_that_is_stopped_holds_up_nobody(
    polls: Polls, script: Script, commands: Commands
) -> None:
    # What the one that is stopped had asked for is not held for long.
    commands.hold_for_a_second()
    worker = commands.worker("--processes", "2")
    worker.wait_until(lambda: polls.ended.total() >= 1, "it polls", 60)
    for pid in worker.children:
        os.kill(pid, signal.SIGSTOP)
    # Whichever of the two has been polling, the other one does so now.
    ran: list[str] = []
    for pid in worker.children:
        os.kill(pid, signal.SIGCONT)
        with script.transaction():
            script.record.write_entry.defer(f"beside {pid}")
        ran.append(f"beside {pid}")
        wait_until(lambda: labels(script.database) == ran, 20, ran[-1])
        # Until it is idle again, and the one that polls.
        polls.wait_for_more(4)
        os.kill(pid, signal.SIGSTOP)
    worker.kill()


def test_waiting_for_the_token_ends_with_the_process(
    polls: Polls, commands: Commands
) -> None:
    worker = commands.worker("--processes", str(PROCESSES))
    worker.wait_until(lambda: polls.ended.total() >= 2, "it polls", 60)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
