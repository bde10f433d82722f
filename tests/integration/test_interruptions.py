"""What the database cuts short is not the task's fault, whatever it says of retries."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.servers import PostgreSQL
from devtools.workers import burst_database, worker_thread
from nereid_async.database import connections
from nereid_async.errors import DatabaseUnavailable
from nereid_async.worker import retry
from nereid_async.worker.intervals import Intervals
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import database_settings, labels, query, states, wait_until

pytestmark = pytest.mark.backends("postgresql")


SHORT_DELAYS = Intervals(interruption_delay_s=0.05)


def run_to_the_end(script: Script) -> None:
    def is_over() -> bool:
        burst_database(script.database, intervals=SHORT_DELAYS)
        return set(states(script.database)) <= {"done", "failed"}

    wait_until(is_over, 30)


def runs(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("own_error", [False, True])
def test_a_lost_connection_is_no_attempt(
    script: Script, database: str, tmp_path: Path, own_error: bool
) -> None:
    with script.transaction():
        script.record.lose_connection.defer(str(tmp_path / "runs"), 1, own_error)
    run_to_the_end(script)
    assert states(database) == ["done"]
    assert runs(tmp_path / "runs") == 2
    assert query(database, "SELECT attempt, interruptions FROM async_run") == [(1, 1)]
    kept = "SELECT attempt, counted, error_type FROM async_attempt"
    assert query(database, kept) == [(1, False, "DatabaseUnavailable")]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_task_that_loses_its_connection_each_time_comes_to_an_end(
    script: Script,
    database: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with script.transaction():
        script.record.lose_connection.defer(str(tmp_path / "runs"), 99, False)
    run_to_the_end(script)
    assert states(database) == ["failed"]
    assert runs(tmp_path / "runs") == retry.FREE_INTERRUPTIONS + 1
    ((error,),) = query(database, "SELECT error FROM async_task")
    assert "the database ended the run" in error
    # What passes by itself is told in a line.
    assert caplog.text.count("which is no attempt") == retry.FREE_INTERRUPTIONS
    assert caplog.text.count("Traceback") <= 3


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_session_that_the_server_ended_names_the_setting(
    script: Script,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retry, "FREE_INTERRUPTIONS", 0)
    with database_settings(database, idle_in_transaction_session_timeout="200ms"):
        with script.transaction():
            task = script.record.work_for.configure(max_attempts=1)
            task.defer(str(tmp_path / "runs"), 0.6)
        run_to_the_end(script)
    ((error,),) = query(database, "SELECT error FROM async_task")
    assert '"type":"DatabaseUnavailable"' in error
    assert "idle_in_transaction_session_timeout = 0.2 s" in error
    assert "the run took 0." in error


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_failover_costs_no_attempt(
    database: str,
    server: PostgreSQL,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    """The server goes, comes back read only, and takes writes in the end."""
    # A server that is killed may forget who holds what: then SQS's hold counts.
    tryton_conf(signing_key=SECRET_KEY, visibility_timeout=8, **broker_settings)
    script, go = Script(database), tmp_path / "go"
    with worker_thread(database, intervals=SHORT_DELAYS), ExitStack() as stack:
        stack.callback(go.touch)
        with script.transaction():
            script.record.outlast.defer(str(tmp_path / "runs"), str(go))
        wait_until((tmp_path / "runs").exists)
        # A claim need not be durable: a server that is killed may forget it.
        query(database, "CHECKPOINT")
        server.stop(how)
        # What is not the task's own connection does not wait for a server.
        with (
            pytest.raises(DatabaseUnavailable),
            connections.autocommit(database) as cursor,
        ):
            cursor.execute("SELECT 1")
        server.start(standby=True)
        go.touch()
        # It has met the lost connection, and writes are refused.
        wait_until(lambda: "read-only transaction" in server.process.output, 30)
        server.promote()
        wait_until(lambda: states(database) == ["done"], 60)
    assert runs(tmp_path / "runs") == 2
    assert labels(database) == ["outlasted"]
    # What was not durable when the server was killed counts for nothing.
    assert query(database, "SELECT attempt FROM async_run") == [(1,)]
