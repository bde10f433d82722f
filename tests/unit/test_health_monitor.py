"""What is told of processes by their heartbeats."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nereid_async.worker.health_monitor import HealthMonitor
from nereid_async.worker.health_state import Health
from nereid_async.worker.heartbeats import Heartbeats
from nereid_async.worker.options import WorkerOptions


@pytest.fixture
def heartbeats(monkeypatch: pytest.MonkeyPatch) -> Heartbeats:
    """Signs of life of two processes with two threads, who lived at 1000 s."""
    heartbeats = Heartbeats(2, 2)
    at(monkeypatch, 1_000)
    for slot in (0, 1):
        heartbeats.of(slot).beat()
    return heartbeats


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: seconds)


def test_a_process_is_busy_when_all_its_threads_are(
    heartbeats: Heartbeats, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = heartbeats.of(1)
    heartbeat.begins(1, "first", None)
    assert heartbeat.busy is None
    at(monkeypatch, 1_010)
    heartbeat.begins(0, "second " + "x" * 100, None)
    at(monkeypatch, 1_030)
    assert heartbeat.busy is not None
    assert heartbeat.busy.task == "first"
    assert (heartbeat.busy.longest_s, heartbeat.busy.shortest_s) == (30, 20)
    assert heartbeats.of(0).busy is None
    heartbeat.ends(1)
    assert heartbeat.busy is None


def test_what_a_dead_process_was_at_is_forgotten(heartbeats: Heartbeats) -> None:
    for thread in (0, 1):
        heartbeats.of(0).begins(thread, "it", None)
    heartbeats.of(0).clear()
    assert heartbeats.of(0).busy is None


def test_busy_for_long_is_told_once_and_when_it_is_over(
    heartbeats: Heartbeats,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    health = tmp_path / "health"
    watch = HealthMonitor(
        heartbeats, WorkerOptions(busy_after_s=100, health_file=health)
    )

    def look(seconds: float) -> str:
        at(monkeypatch, seconds)
        # The poller lives: nobody is silent.
        for slot in (0, 1):
            heartbeats.of(slot).beat()
        assert watch.look([0, 1]) == ""
        return health.read_text()

    for thread in (0, 1):
        heartbeats.of(1).begins(thread, "shop.report", None)
    assert look(1_099) == "ok\n"
    text = "worker process 1: all 2 thread(s) busy for 100 s, the longest for 100 s"
    assert look(1_100) == f"busy: {text} with shop.report\n"
    look(1_150)
    assert [text in record.message for record in caplog.records] == [True]
    heartbeats.of(1).begins(0, "another", None)
    assert look(1_151) == "ok\n"
    assert "has begun another task" in caplog.text


def test_threads_beyond_their_time_limits_are_not_healthy(
    heartbeats: Heartbeats,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    health = tmp_path / "health"
    watch = HealthMonitor(heartbeats, WorkerOptions(health_file=health))

    def look(seconds: float) -> str:
        at(monkeypatch, seconds)
        heartbeats.of(0).beat()
        assert watch.look([0]) == ""
        return health.read_text()

    heartbeats.of(0).begins(0, "shop.quick", 5)
    assert look(1_020) == "ok\n"
    heartbeats.of(0).begins(1, "shop.report", 30)
    assert look(1_050) == "ok\n"
    text = "all 2 thread(s) busy beyond the longest time limit of their tasks (30 s)"
    assert look(1_053).startswith(f"overdue: worker process 0: {text}")
    look(1_054)
    assert [text in record.message for record in caplog.records] == [True]
    # One that has no limit may take any time.
    heartbeats.of(0).begins(0, "shop.endless", None)
    assert look(1_055) == "ok\n"
    assert "in time" in caplog.text


def test_silence_counts_more_than_business(
    heartbeats: Heartbeats, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    health = tmp_path / "health"
    options = WorkerOptions(busy_after_s=1, give_up_s=300, health_file=health)
    watch = HealthMonitor(heartbeats, options)
    for thread in (0, 1):
        heartbeats.of(0).begins(thread, "it", None)
    at(monkeypatch, 1_060)
    heartbeats.of(0).beat()
    assert watch.look([0, 1]) == ""
    assert health.read_text().startswith("stuck: worker process 1 has not received")
    at(monkeypatch, 1_300)
    assert watch.look([0, 1]) == "worker process 1 has not received for 300 s"


def test_what_is_served_beside_the_file(
    heartbeats: Heartbeats, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    health = tmp_path / "health"
    watch = HealthMonitor(heartbeats, WorkerOptions(health_file=health, busy_after_s=5))
    served = watch.state
    assert served.read() == Health(False, "starting")
    for slot in (0, 1):
        heartbeats.of(slot).begins(slot, "it", None)
    watch.look([0, 1])
    assert served.read() == Health(True, "ok")
    heartbeats.of(0).begins(1, "it", None)
    at(monkeypatch, 1_010)
    watch.look([0, 1])
    assert served.read().ready
    assert served.read().text == health.read_text().strip()
    watch.look([0, 1], draining=True)
    assert served.read() == Health(False, "draining")
    at(monkeypatch, 1_070)
    assert served.is_alive
    assert served.read().text == "draining"
    # Its parent does not write any more.
    at(monkeypatch, 1_071)
    assert not served.is_alive
    assert served.read().text.startswith("stuck: the parent")


def test_threads_that_run_a_task_are_counted(heartbeats: Heartbeats) -> None:
    heartbeats.of(0).begins(1, "it", None)
    heartbeats.of(1).begins(0, "it", None)
    assert heartbeats.busy_threads == 2
    heartbeats.of(1).clear()
    assert heartbeats.busy_threads == 1
