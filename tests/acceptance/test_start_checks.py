"""Limits that a worker cannot keep are told when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from nereid_async.runtime import of_database
from nereid_async.worker.options import WorkerOptions
from nereid_async.worker.start_checks import connections_needed
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import query, states
from tests.marks import once


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_memory_limit_below_the_start_runs_a_task_a_process(
    script: Script, commands: Commands, database: str
) -> None:
    with script.transaction():
        for number in range(3):
            script.record.write_entry.defer(str(number))
    worker = commands.worker("--burst", "--max-memory", "1", "--threads", "1", "-v")
    output = commands.run(worker)
    assert states(database) == ["done"] * 3
    assert "--max-memory 1 is less than the " in output
    # One a task, and one that finds none.
    assert output.count("started: pid") <= 4


@pytest.mark.backends("postgresql")
class TestConnections:
    """How many tasks run at a time, and how many connections there may be."""

    @pytest.fixture
    def needed(self, script: Script) -> int:
        options = WorkerOptions(threads=4)
        return connections_needed(of_database(script.database), options, 1)

    def test_too_few_are_an_error_that_says_how_many(
        self, commands: Commands, needed: int
    ) -> None:
        commands.set("maxconn", needed - 1, "database")
        worker = commands.worker("--threads", "4")
        assert worker.wait(30) == 1, worker.output
        assert f"[database] maxconn = {needed - 1}" in worker.output
        assert f"set maxconn to {needed} or more" in worker.output
        assert "--threads 4" in worker.output
        assert "Traceback" not in worker.output

    def test_as_many_as_it_says_are_enough(
        self,
        script: Script,
        commands: Commands,
        database: str,
        needed: int,
        tmp_path: Path,
    ) -> None:
        commands.set("maxconn", needed, "database")
        started, go = tmp_path / "started", tmp_path / "go"
        with script.transaction():
            for _ in range(8):
                script.record.report_progress.defer(str(started), str(go))
        worker = commands.worker("--threads", "4")
        worker.wait_until(lambda: lines(started) == 4, "four run")
        go.touch()
        worker.wait_until(lambda: states(database) == ["done"] * 8, "done")
        assert query(database, "SELECT DISTINCT attempt FROM async_run") == [(1,)]
        assert "WARNING nereid_async.worker" not in worker.output


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@once
def test_a_database_in_memory_is_refused(script: Script, commands: Commands) -> None:
    """Its tasks are not there for another process."""
    worker = commands.start(
        "nereid-async", "worker", "-c", commands.conf, "-d", ":memory:", "--burst"
    )
    assert worker.wait(30) == 1, worker.output
    assert "in tests run what was deferred with nereid_async.testing" in worker.output
    assert "Traceback" not in worker.output
