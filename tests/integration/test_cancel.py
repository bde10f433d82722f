"""Cancelling: what waits never runs, what runs is asked to stop, and decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.workers import worker_thread
from nereid_async import AsyncResult
from nereid_async.errors import (
    ConfigurationError,
    ResultMissing,
    TaskCancelled,
    TaskFailed,
)
from nereid_async.messages.outcome import State
from nereid_async.runtime import of_database
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import count_messages, sqs_settings
from tests.helpers import command, labels, query, states, wait_until
from tests.integration.conftest import SignalLog
from tests.integration.test_relay import sent

on_the_database = pytest.mark.parametrize(
    "broker_settings", ["database"], indirect=True
)


def check_cancelled(script: Script, result: AsyncResult) -> None:
    """It has not run and has no effect, and every look says so."""
    assert states(script.database) == ["cancelled"]
    assert labels(script.database) == []
    with script.transaction():
        for handle in (result, AsyncResult(result.id)):
            assert handle.ready()
            assert handle.state() == "cancelled"
            with pytest.raises(TaskCancelled, match=result.id):
                handle.get(timeout=5)


# What waits.


@pytest.mark.parametrize("delay", [0, 600])
def test_what_waits_never_runs(
    script: Script,
    broker_settings: dict[str, str],
    signal_log: SignalLog,
    delay: int,
) -> None:
    with script.transaction():
        result = script.record.write_entry.configure(delay=delay).defer("x")
    with script.transaction():
        assert result.cancel() in (State.PENDING, State.SENT)
        assert result.cancel() is State.CANCELLED
        assert AsyncResult(result.id).cancel() == "cancelled"
    check_cancelled(script, result)
    script.burst()
    check_cancelled(script, result)
    (facts,) = signal_log.facts("task_cancelled")
    assert facts["message"].id == result.id
    assert "task_started" not in signal_log.names()
    if broker_settings["broker"] == "sqs" and not delay:
        assert wait_until(lambda: count_messages(broker_settings) == 0)


@on_the_database
def test_it_is_cancelled_though_the_transaction_around_rolls_back(
    script: Script,
) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("x")
    with script.transaction() as transaction:
        result.cancel()
        transaction.rollback()
    script.burst()
    check_cancelled(script, result)


# What is not committed.


@on_the_database
@pytest.mark.parametrize("by_id", [False, True], ids=["handle", "id"])
def test_a_call_of_the_open_transaction_is_dropped(
    script: Script, signal_log: SignalLog, by_id: bool
) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("dropped")
        script.record.write_entry.defer("kept")
        handle = AsyncResult(result.id) if by_id else result
        assert handle.cancel() is State.PENDING
        assert result.cancel() is State.CANCELLED
        with pytest.raises(TaskCancelled):
            result.get()
    script.burst()
    assert labels(script.database) == ["kept"]
    assert states(script.database) == ["done"]
    (facts,) = signal_log.facts("task_discarded")
    assert (facts["message"].id, facts["reason"]) == (result.id, "cancelled")
    with script.transaction(), pytest.raises(ResultMissing):
        AsyncResult(result.id).cancel()


@on_the_database
def test_a_dropped_call_is_not_discarded_once_more(
    script: Script, signal_log: SignalLog
) -> None:
    with script.transaction() as transaction:
        result = script.record.write_entry.defer("x")
        result.cancel()
        transaction.rollback()
        assert result.cancel() is State.CANCELLED
        other = script.record.write_entry.defer("y")
        transaction.rollback()
        with pytest.raises(ResultMissing, match="rolled back"):
            other.cancel()
    reasons = [facts["reason"] for facts in signal_log.facts("task_discarded")]
    assert reasons == ["cancelled", "rollback"]


# What has finished, or never was.


@on_the_database
def test_of_what_has_finished_nothing_changes(
    script: Script, signal_log: SignalLog
) -> None:
    with script.transaction():
        done = script.record.echo.defer("x")
        failed = script.record.fail.defer("no luck")
    script.burst()
    with script.transaction():
        assert done.cancel() is State.DONE
        assert failed.cancel() is State.FAILED
        assert done.get(timeout=5) == "x"
        with pytest.raises(TaskFailed):
            failed.get(timeout=5)
    assert states(script.database) == ["done", "failed"]
    assert signal_log.facts("task_cancelled") == []


@on_the_database
def test_a_task_that_nobody_knows(script: Script) -> None:
    with script.transaction(), pytest.raises(ResultMissing, match="no task"):
        AsyncResult("00000000-0000-8000-8000-000000000000").cancel()


def test_without_an_outbox(
    database: str, tryton_conf: ConfWriter, ministack: str
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **sqs_settings(ministack))
    script = Script(database)
    with script.transaction():
        dropped = script.record.bare.defer("dropped")
        assert dropped.cancel() is State.PENDING
        sent = script.record.write_entry.defer("sent")
    with script.transaction():
        with pytest.raises(ConfigurationError, match="outbox = yes"):
            sent.cancel()
        itself = script.record.fail_as.defer("TaskCancelled", "of its own accord")
    script.burst()
    assert labels(database) == ["sent"]
    with script.transaction(), pytest.raises(TaskCancelled):
        itself.get(timeout=10)


# What runs.


def running(script: Script, started: Path, way: str) -> AsyncResult:
    """A task that a worker has begun."""
    with script.transaction():
        result: AsyncResult[str] = script.record.work_until_cancelled.defer(
            str(started), way
        )
    wait_until(started.exists, 30, "it runs")
    return result


@pytest.mark.parametrize("way", ["check", "progress"])
def test_a_run_is_asked_to_stop_and_rolled_back(
    script: Script,
    broker_settings: dict[str, str],
    signal_log: SignalLog,
    tmp_path: Path,
    way: str,
) -> None:
    stop_a_run(script, signal_log, tmp_path, way)
    if broker_settings["broker"] == "sqs":
        assert wait_until(lambda: count_messages(broker_settings) == 0)


@on_the_database
@pytest.mark.backends("postgresql")
def test_what_a_stopped_run_has_written_is_rolled_back(
    script: Script, signal_log: SignalLog, tmp_path: Path
) -> None:
    """On SQLite who has written holds the whole file, and cannot be asked."""
    stop_a_run(script, signal_log, tmp_path, "written")


def stop_a_run(script: Script, signal_log: SignalLog, tmp_path: Path, way: str) -> None:
    with worker_thread(script.database):
        result = running(script, tmp_path / "started", way)
        with script.transaction():
            assert result.cancel() is State.RUNNING
            with pytest.raises(TaskCancelled):
                result.get(timeout=10)
            assert result.cancel() is State.CANCELLED
        wait_until(lambda: signal_log.facts("task_cancelled"))
    check_cancelled(script, result)
    ended = {"task_succeeded", "task_failed", "task_retried"}
    assert not ended & set(signal_log.names())


@on_the_database
def test_a_run_that_finishes_all_the_same_is_done(
    script: Script, signal_log: SignalLog, tmp_path: Path
) -> None:
    with worker_thread(script.database):
        result = running(script, tmp_path / "started", "finish")
        with script.transaction():
            assert result.cancel() is State.RUNNING
            assert result.cancel() is State.RUNNING
            assert result.get(timeout=10) == "finished"
            assert result.cancel() is State.DONE
    assert labels(script.database) == ["finished"]
    assert signal_log.facts("task_cancelled") == []


def test_a_run_that_fails_after_that_is_not_tried_again(
    script: Script,
    broker_settings: dict[str, str],
    signal_log: SignalLog,
    tmp_path: Path,
) -> None:
    with worker_thread(script.database):
        result = running(script, tmp_path / "started", "fail")
        with script.transaction():
            assert result.cancel() is State.RUNNING
            with pytest.raises(TaskCancelled):
                result.get(timeout=10)
        wait_until(lambda: signal_log.facts("task_cancelled"))
    check_cancelled(script, result)
    assert signal_log.facts("task_retried") == []
    if broker_settings["broker"] == "sqs":
        assert wait_until(lambda: count_messages(broker_settings) == 0)


def test_a_worker_that_dies_before_it_can_stop(
    script: Script, signal_log: SignalLog
) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("x")
    rows = of_database(script.database).rows
    assert rows is not None
    # A worker that takes it, and sends no heartbeat any more.
    assert rows.claim_ids([result.id], 0)
    with script.transaction():
        assert result.cancel() is State.RUNNING

    def is_over() -> bool:
        script.burst()
        return states(script.database) == ["cancelled"]

    wait_until(is_over, 30)
    check_cancelled(script, result)
    assert "task_started" not in signal_log.names()
    assert len(signal_log.facts("task_cancelled")) == 1


@on_the_database
@pytest.mark.parametrize(
    ("error", "state"), [("TaskCancelled", "cancelled"), ("ResultCancelled", "failed")]
)
def test_a_task_may_cancel_itself_and_is_not_cancelled_with_another(
    script: Script, error: str, state: str
) -> None:
    with script.transaction():
        script.record.fail_as.defer(error, "of its own accord")
    script.burst()
    assert states(script.database) == [state]


# What an administrator does.


def test_a_cancelled_task_can_be_run_after_all(script: Script) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("again")
        script.record.echo.configure(delay=600).defer(1)
    with script.transaction():
        result.cancel()
    script.burst()
    assert command(script.database, "retry", result.id) == f"{result.id}: runs again\n"
    if not of_database(script.database).rows_are_messages:
        assert sent(script.database, 0) == 1
    script.burst()
    assert labels(script.database) == ["again"]
    with script.transaction():
        assert AsyncResult(result.id).get(timeout=5) == "again"


@on_the_database
def test_the_command_tells_what_it_found(script: Script, tmp_path: Path) -> None:
    def cancel(*ids: str, exit_code: int = 0) -> list[str]:
        output = command(script.database, "cancel", *ids, exit_code=exit_code)
        return output.splitlines()

    with script.transaction():
        done = script.record.echo.defer(1)
    script.burst()
    with script.transaction():
        waits = script.record.write_entry.configure(delay=600).defer("x")
    assert cancel("41cbf95c", done.id, waits.id, exit_code=1) == [
        "41cbf95c: there is no such task",
        f"{done.id}: is done already",
        f"{waits.id}: cancelled, it was pending",
    ]
    (line,) = cancel(waits.id, exit_code=1)
    assert line == f"{waits.id}: is cancelled already"
    with worker_thread(script.database):
        runs = running(script, tmp_path / "started", "check")
        assert cancel("--interrupt", runs.id) == [f"{runs.id}: runs, and is to stop"]
        wait_until(lambda: sorted(states(script.database))[0] == "cancelled")
        assert query(
            script.database, "SELECT interrupt FROM async_run WHERE uuid = %s", runs.id
        ) == [(True,)]


@on_the_database
def test_cancelled_rows_go_with_their_time(script: Script) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("x")
    with script.transaction():
        result.cancel()
    rows = of_database(script.database).rows
    assert rows is not None
    assert rows.reap(3_600, 10) == 0
    assert rows.reap(-5, 10) == 1
    assert states(script.database) == []


@on_the_database
def test_in_a_copy_it_stays_cancelled(script: Script) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("x")
    with script.transaction():
        result.cancel()
    command(script.database, "identity", "--renew")
    script.burst()
    check_cancelled(script, result)
