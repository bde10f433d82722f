"""A task may fork: its children have nothing of the worker's, which goes on."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devtools.processes import Process
from tests import rough_tasks
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, query, states, wait_until


@pytest.fixture
def worker(script: Script, commands: Commands) -> Process:
    """A worker with two processes."""
    commands.set("imports", "tests.rough_tasks")
    return commands.worker("--processes", "2", "--threads", "1")


def value_of(script: Script, worker: Process, task: Any, *args: Any) -> Any:
    with script.transaction():
        result = task.defer(*args)
    worker.wait_until(lambda: states(script.database) == ["done"], "done", 60)
    with script.transaction():
        return result.get(timeout=5)


def test_a_child_that_is_terminated_leaves_the_worker_as_it_was(
    script: Script, worker: Process, database: str, tmp_path: Path
) -> None:
    started = str(tmp_path / "started")
    value = value_of(script, worker, rough_tasks.terminate_child, started)
    assert value == [-signal.SIGTERM, True]
    assert labels(database) == ["after the child"]
    # It polls, and waits for what comes in place of going round and round.
    with script.transaction():
        script.record.write_entry.defer("next")
    worker.wait_until(lambda: "next" in labels(database), "it polls")
    before_s, began_s = cpu_s(worker), time.monotonic()
    wait_until(lambda: time.monotonic() - began_s > 1)
    assert cpu_s(worker) - before_s < 0.5
    assert "failed" not in worker.output


def cpu_s(worker: Process) -> float:
    """Seconds of processor time that the worker's processes have used."""
    ticks = 0
    for pid in worker.children:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_pool_of_processes(script: Script, worker: Process, database: str) -> None:
    assert value_of(script, worker, rough_tasks.use_pool, [1, 2, 3]) == [1, 4, 9]
    assert labels(database) == ["after the pool"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_child_has_nothing_of_its_worker(
    script: Script, worker: Process, backend: str
) -> None:
    seen = value_of(script, worker, rough_tasks.look_at_child)
    assert seen["default"] == [True, True, True]
    assert seen["blocked"] == []
    assert seen["wakeup_fd"] == -1
    # Standard output, which the worker has from its own parent.
    assert seen["shared"] == []
    inherited, _, own = seen["session"].partition(", then ")
    if backend == "postgresql":
        assert "non-socket" in inherited
        assert int(own)


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize("how", ["raise", "return"])
def test_a_child_that_comes_back_is_no_second_worker(
    script: Script, worker: Process, database: str, how: str
) -> None:
    with script.transaction():
        rough_tasks.come_back_from_fork.defer(how)
    worker.wait_until(lambda: states(database) == ["done"], "done")
    assert labels(database) == ["after the child"]
    assert "come_back_from_fork): a process that it has forked" in worker.output


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_child_does_not_keep_the_sessions_of_a_dead_worker(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    commands.set("imports", "tests.rough_tasks")
    words = ("nereid-async", "worker", "-c", commands.conf, "-d", database)
    worker = commands.start(*words, TRYTOND_APPNAME="victim")
    started = tmp_path / "started"
    with script.transaction():
        rough_tasks.leave_child.defer(str(started))
    worker.wait_until(lambda: started.exists() and started.read_text() != "", "forked")
    child = int(started.read_text())
    for pid in worker.children:
        os.kill(pid, signal.SIGKILL)
    os.kill(worker.pid, signal.SIGKILL)
    sessions = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'victim'"
    try:
        wait_until(lambda: not query(database, sessions))
        assert Path(f"/proc/{child}").exists()
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
