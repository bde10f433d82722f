"""A task that no exception reaches is ended with its process, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nereid_async.errors import TaskFailed
from tests import overlong_tasks
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query, states
from tests.marks import ONE_BROKER, ONE_DATABASE

GRACE_S = 0.5


@pytest.fixture
def limited(commands: Commands) -> Commands:
    commands.set("imports", "tests.overlong_tasks")
    commands.set("time_limit_grace", GRACE_S)
    return commands


def test_its_process_is_replaced_and_its_neighbours_lose_nothing(
    script: Script, limited: Commands, database: str, tmp_path: Path
) -> None:
    worker = limited.worker("--threads", "2")
    started, beside = tmp_path / "started", tmp_path / "beside"
    with script.transaction():
        overlong_tasks.work_beside.defer(str(beside), 3)
    worker.wait_until(beside.exists, "the neighbour runs")
    (child,) = worker.children
    with script.transaction():
        task = overlong_tasks.hang.configure(time_limit=0.3, max_attempts=2)
        stuck = task.defer("socket", str(started))
    worker.wait_until(started.exists, "it hangs")
    with script.transaction():
        waiting = script.record.write_entry.defer("waited")
    worker.wait_until(lambda: states(database) == ["done"] * 3, "done", 60)
    assert sorted(labels(database)) == ["at last", "beside", "waited"]
    attempts = dict(query(database, "SELECT uuid, attempt FROM async_run"))
    assert attempts.pop(stuck.id) == 2
    assert set(attempts.values()) == {1}
    assert waiting.id in attempts
    assert len(beside.read_text().splitlines()) == 1
    assert child not in worker.children
    assert "will be replaced" in worker.output
    assert "outlasts" not in worker.output
    worker.stop(30)
    assert worker.exit_status == 0


@pytest.mark.parametrize("writes", [False, True])
def test_after_its_last_attempt_it_has_failed(
    script: Script, limited: Commands, database: str, tmp_path: Path, writes: bool
) -> None:
    """On SQLite, what it has written locks the file until its process has ended."""
    with script.transaction():
        task = overlong_tasks.hang.configure(time_limit=0.3, max_attempts=1)
        task = task.configure(ignore_result=False)
        result = task.defer("always sleep", str(tmp_path / "started"), writes)
        script.record.write_entry.defer("after it")
    worker = limited.worker("--burst", "--threads", "1")
    assert worker.wait(60) == 0, worker.output
    assert states(database) == ["failed", "done"]
    assert labels(database) == ["after it"]
    with script.transaction(), pytest.raises(TaskFailed) as caught:
        result.get(timeout=10)
    assert caught.value.type == "TimeLimitExceeded"
    assert "time.sleep(600)" in caught.value.remote_traceback


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
def test_without_rows(
    script: Script, limited: Commands, tryton_conf: ConfWriter, tmp_path: Path
) -> None:
    limited.set("outbox", "no")
    tryton_conf(outbox="no")
    started = tmp_path / "started"
    with script.transaction():
        task = overlong_tasks.hang.configure(time_limit=0.3, max_attempts=2)
        task = task.configure(ignore_result=False)
        result = task.defer("always sleep", str(started))
    limited.worker("--threads", "1")
    with script.transaction(), pytest.raises(TaskFailed, match="TimeLimitExceeded"):
        result.get(timeout=40)
    assert len(started.read_text().splitlines()) == 2


@ONE_BROKER
def test_a_cancel_that_interrupts(
    script: Script, limited: Commands, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with script.transaction():
        task = overlong_tasks.hang.configure(visibility_timeout=1)
        result = task.defer("sleep", str(started))
    worker = limited.worker("--threads", "1")
    worker.wait_until(started.exists, "it hangs")
    result.cancel(interrupt=True)
    worker.wait_until(lambda: states(database) == ["cancelled"], "cancelled", 30)
    assert labels(database) == []
    with script.transaction():
        script.record.write_entry.defer("after it")
    worker.wait_until(lambda: labels(database) == ["after it"], "it goes on")
