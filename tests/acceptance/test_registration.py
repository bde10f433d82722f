"""Processes of a worker are known to the database until they end, however they do."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from nereid_async.rows import ListedWorker, TaskRows
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import query, wait_until
from tests.marks import ONE_BROKER


def states(rows: TaskRows) -> list[str]:
    return [it.state for it in rows.workers()]


@ONE_BROKER
def test_a_worker_ends_well_and_another_is_killed(
    script: Script, rows: TaskRows, commands: Commands, tmp_path: Path
) -> None:
    worker = commands.worker("--processes", "2", "--queue", "mail:1", "--queue", "*:1")
    found: list[ListedWorker] = wait_until(
        lambda: len(rows.workers()) == 2 and rows.workers(), 60
    )
    assert sorted(it.pid for it in found) == sorted(worker.children)
    assert {it.queues for it in found} == {("mail:1", "*:1")}
    # One that dies is replaced, which is no loss.
    os.kill(found[0].pid, signal.SIGKILL)
    wait_until(lambda: found[0].pid not in [it.pid for it in rows.workers()])
    assert states(rows) == ["running"] * 2
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        script.record.wait_for_file.defer(str(started), str(go))
    worker.wait_until(started.exists, "the task runs")
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: states(rows) == ["draining"])
    assert rows.workers()[0].busy == 1
    go.touch()
    # For the process that died.
    assert worker.wait(20) == 1, worker.output
    assert rows.workers() == []

    killed = commands.worker()
    wait_until(rows.workers, 60)
    # The parent first, which would replace it.
    children = killed.children
    killed.kill()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    (left,) = rows.workers()
    assert left.pid in children
    query(
        script.database, "UPDATE async_worker SET heartbeat_at = '2026-01-01 00:00:00'"
    )
    (told,) = json.loads(commands.run(commands.flask("workers", "--json")))
    assert (told["pid"], told["state"]) == (left.pid, "lost")
    assert "removed: 1" in commands.run(commands.flask("reap"))
    assert states(rows) == []
