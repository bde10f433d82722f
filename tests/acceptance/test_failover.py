"""A database that restarts, fails over or is away: workers keep on, and say so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from devtools.processes import Process
from devtools.servers import PostgreSQL
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, query, states, wait_until

pytestmark = pytest.mark.backends("postgresql")


def defer(script: Script, label: str) -> None:
    with script.transaction():
        script.record.write_entry.defer(label)


def wait_for_label(worker: Process, script: Script, label: str) -> None:
    worker.wait_until(lambda: label in labels(script.database), label, 60)


def test_a_server_that_is_read_only_for_a_while(
    script: Script,
    commands: Commands,
    database: str,
    server: PostgreSQL,
    tmp_path: Path,
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    worker = commands.worker("--threads", "2")
    defer(script, "before")
    wait_for_label(worker, script, "before")
    with script.transaction():
        task = script.record.wait_for_file.configure(visibility_timeout=3)
        task.defer(str(started), str(go))
    worker.wait_until(started.exists, "the task runs")
    server.stop()
    server.start(standby=True)
    worker.wait_for_output("read-only", 60)
    late = commands.worker()
    # Nor does Tryton itself start there.
    assert late.wait(30) == 1
    assert f"Error: database {database!r}: cannot execute LISTEN" in late.output
    go.touch()
    server.promote()
    wait_until(lambda: query(database, "SELECT pg_is_in_recovery()") == [(False,)])
    defer(script, "after")
    wait_for_label(worker, script, "after")
    worker.wait_until(lambda: states(database) == ["done"] * 3, "all done", 60)
    assert labels(database).count("waited") == 1
    assert "CRITICAL" not in worker.output
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, worker.output


def test_a_server_that_is_away(
    script: Script, commands: Commands, database: str, server: PostgreSQL
) -> None:
    worker = commands.worker("--threads", "2")
    watch = commands.flask("status", "--watch", "0.2")
    defer(script, "before")
    wait_for_label(worker, script, "before")
    watch.wait_for_output("QUEUE")
    server.stop()
    watch.wait_for_output(f"Error: database {database!r}: ", 20)
    # Soon: trytond itself waits for a minute before it says anything.
    worker.wait_for_output(f": database {database!r}: ", 20)
    (child,) = worker.children
    refused = "connection to server"
    before = worker.output.count(refused)
    os.kill(child, signal.SIGKILL)
    worker.wait_until(lambda: worker.output.count(refused) > before, "it is replaced")
    shown = watch.output.count("QUEUE")
    server.start()
    watch.wait_until(lambda: watch.output.count("QUEUE") > shown, "shown again")
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == 0, watch.output
    defer(script, "after")
    wait_for_label(worker, script, "after")
    server.stop(signal.SIGQUIT)
    worker.send_signal(signal.SIGTERM)
    # It had to replace a process, so it does not end with 0.
    assert worker.wait(30) == 1, worker.output
