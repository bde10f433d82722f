"""A task that takes longer than it is held for at a time runs once all the same."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, query, states, wait_until

VISIBILITY_S = 3


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def two_workers(script: Script, commands: Commands, folder: Path) -> None:
    """Start two workers of two threads, and wait until both of them run tasks."""
    started, go = folder / "warm-up started", folder / "warm-up go"
    with script.transaction():
        for _ in range(4):
            script.record.wait_for_file.defer(str(started), str(go))
    workers = [commands.worker("--threads", "2") for _ in range(2)]
    workers[0].wait_until(lambda: len(lines(started)) == 4, "all run at once", 60)
    go.touch()
    workers[0].wait_until(lambda: states(script.database) == ["done"] * 4, "done")


def test_three_times_its_visibility_timeout(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    # What is received is held for no longer either, so nothing else keeps it away.
    commands.hold_for(VISIBILITY_S)
    two_workers(script, commands, tmp_path)
    started = tmp_path / "started"
    with script.transaction():
        task = script.record.work_for.configure(visibility_timeout=VISIBILITY_S)
        result = task.defer(str(started), 3 * VISIBILITY_S)
    wait_until(lambda: "worked" in labels(database), 60, "the task is over")
    assert lines(started) == [result.id]
    assert labels(database).count("worked") == 1
    assert states(database) == ["done"] * 5
    attempt = "SELECT attempt FROM async_run WHERE uuid = %s"
    assert query(database, attempt, result.id) == [(1,)]


@pytest.mark.backends("postgresql")
def test_short_ones_behind_it_go_to_a_worker_that_is_idle(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    """A worker that runs short tasks has received some more, and then a long one."""
    started, go = tmp_path / "started", tmp_path / "go"
    busy = commands.worker("--threads", "1")
    with script.transaction():
        for _ in range(40):
            script.record.write_entry.defer("to measure")
    busy.wait_until(lambda: states(database) == ["done"] * 40, "done", 60)
    with script.transaction():
        script.record.wait_for_file.defer(str(started), str(go))
        short = [script.record.write_entry.defer("short").id for _ in range(11)]
    wait_until(started.exists, 30, "the long one runs")
    # Another one comes, with nothing to do.
    idle = commands.worker("--threads", "1")
    try:
        wait_until(lambda: labels(database).count("short") == len(short), 20)
    finally:
        go.touch()
    busy.wait_until(lambda: states(database) == ["done"] * 52, "done")
    # Neither of them has been tried more than once.
    assert query(database, "SELECT DISTINCT attempt FROM async_run") == [(1,)]
    assert idle.exit_status is None


@pytest.mark.backends("postgresql")
def test_what_waited_in_a_process_that_was_stopped_does_not_run_there(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    """Beyond its lease, that is: another worker has run it meanwhile."""
    commands.hold_for(2)
    started = tmp_path / "started"
    stopped = commands.worker("--threads", "1")
    with script.transaction():
        task = script.record.work_for.configure(visibility_timeout=2)
        for _ in range(60):
            task.defer(str(started), 0.04)

    def running() -> int:
        return states(database).count("running")

    stopped.wait_until(lambda: running() >= 4, "it has received ahead", 60)
    (child,) = stopped.children
    os.kill(child, signal.SIGSTOP)
    assert running() > 1
    other = commands.worker("--threads", "1")
    other.wait_until(lambda: states(database) == ["done"] * 60, "all are done", 60)
    other.stop()
    os.kill(child, signal.SIGCONT)
    with script.transaction():
        script.record.write_entry.defer("after them")
    stopped.wait_until(lambda: "after them" in labels(database), "it goes on")
    # The one that ran was begun twice, at most.
    assert len(lines(started)) <= 61
    assert labels(database) == ["worked"] * 60 + ["after them"]
