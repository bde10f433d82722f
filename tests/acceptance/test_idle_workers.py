"""Idle processes take turns: one asks the queue, for each long poll is billed."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import sqs_settings
from tests.helpers import labels, states, wait_until
from tests.proxy import Call, Proxy

PROCESSES = 3


@dataclass
class Polls:
    """Counts receives on their way; those that brought nothing yet."""

    under_way: int = 0
    most: int = 0
    ended: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, call: Call) -> None:
        if call.name == "ReceiveMessage":
            with self.lock:
                self.under_way += 1
                self.most = max(self.most, self.under_way)

    def end(self, call: Call) -> None:
        if call.name == "ReceiveMessage":
            with self.lock:
                self.under_way -= 1
                self.ended += 1


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return {**sqs_settings(proxy.url), "sqs_wait_time": "1"}


@pytest.fixture
def polls(proxy: Proxy) -> Polls:
    polls = Polls()
    proxy.watch.before = polls.begin
    proxy.watch.after = polls.end
    return polls


def test_one_of_several_polls(polls: Polls, commands: Commands) -> None:
    worker = commands.worker("--processes", str(PROCESSES))
    worker.wait_until(lambda: polls.ended >= 5, "it polls", 60)
    assert len(worker.children) == PROCESSES
    assert polls.most == 1


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


def test_a_process_that_is_killed_takes_no_turn_along(
    polls: Polls, script: Script, commands: Commands
) -> None:
    # A poll of the dead may take the message along, for as long as it is held.
    commands.hold_for_a_second()
    worker = commands.worker("--processes", "2")
    worker.wait_until(lambda: polls.ended >= 1, "it polls", 60)
    for pid in worker.children:
        os.kill(pid, signal.SIGKILL)
    with script.transaction():
        script.record.write_entry.defer("after the kill")
    wait_until(lambda: labels(script.database) == ["after the kill"], 60)


def test_waiting_for_the_turn_ends_with_the_process(
    polls: Polls, commands: Commands
) -> None:
    worker = commands.worker("--processes", str(PROCESSES))
    worker.wait_until(lambda: polls.ended >= 2, "it polls", 60)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
