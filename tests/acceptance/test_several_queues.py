"""Queues of one worker do not wait for each other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from devtools.proxy import Call, Proxy, Refusal
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import sqs_settings
from tests.helpers import labels, wait_until

#: What is polled does not depend on the database.
pytestmark = pytest.mark.backends("postgresql")

QUEUES = ("--queue", "quiet", "--queue", "used")


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return sqs_settings(proxy.url)


def polls(call: Call, queue: str) -> bool:
    return call.name == "ReceiveMessage" and call.queue.endswith(f"-{queue}")


def defer(script: Script, label: str) -> None:
    with script.transaction():
        script.record.write_entry.configure(queue="used").defer(label)


def test_a_long_poll_of_one_does_not_delay_another(
    proxy: Proxy, script: Script, commands: Commands
) -> None:
    """What is in the queue ``used`` runs while nothing comes from ``quiet``."""
    under_way, done = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if polls(call, "quiet"):
            under_way.set()
            done.wait(60)

    proxy.watch.before = hold
    worker = commands.worker(*QUEUES, "--threads", "1")
    worker.wait_until(under_way.is_set, "it polls", 60)
    try:
        for number in range(3):
            defer(script, f"{number}")
        wait_until(lambda: len(labels(script.database)) == 3)
    finally:
        done.set()


def test_one_that_is_denied_does_not_hold_up_the_others(
    proxy: Proxy, script: Script, commands: Commands, tmp_path: Path
) -> None:
    refused = []

    def refuse(call: Call) -> Refusal | None:
        if not polls(call, "quiet"):
            return None
        refused.append(call)
        return Refusal(403, "AccessDenied")

    proxy.watch.before = refuse
    health = tmp_path / "health"
    worker = commands.worker(
        *QUEUES, "--threads", "1", "--health-file", str(health), "--stuck-after", "3"
    )
    worker.wait_until(lambda: len(refused) >= 4, "it was refused", 60)
    defer(script, "used")
    wait_until(lambda: labels(script.database) == ["used"])
    assert health.read_text() == "ok\n"
    # Once an interval, whatever it is that fails again and again.
    said = [line for line in worker.output.splitlines() if "AccessDenied" in line]
    assert len(said) == 1
    assert "receiving from quiet failed" in said[0]


def test_a_burst_ends_when_all_are_empty(script: Script, commands: Commands) -> None:
    with script.transaction():
        for queue in ("quiet", "used"):
            script.record.chain.configure(queue=queue).defer(queue)
            script.record.write_entry.configure(queue=queue).defer(queue)
    queues = (*QUEUES, "--queue", "trytond-async")
    commands.run(commands.worker(*queues, "--burst"))
    assert sorted(labels(script.database)) == ["quiet"] * 2 + ["used"] * 2
