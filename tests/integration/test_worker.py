"""A task runs as its caller would, in one transaction, and its effect is single."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from trytond.pool import Pool

from devtools.messages import signer_of
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query, run_until, states
from tests.integration.conftest import SignalLog
from tests.marks import ONE_BROKER, ONE_DATABASE, once


def model() -> Any:
    return Pool().get("async_test.record")


def clerk() -> int:
    (user,) = Pool().get("res.user").search([("login", "=", "clerk")])
    return int(user.id)


# As whom, and with what.


@once
def test_user_and_context_are_the_callers(script: Script) -> None:
    with script.transaction():
        user = clerk()
    seen = script.value_of(
        lambda: model().who.defer(),
        user=user,
        language="de",
        company=1,
        customers=[1, 2],
    )
    assert seen["user"] == user
    assert seen["language"] == "de"
    assert seen["context"] == {"language": "de", "company": 1, "customers": [1, 2]}


@once
def test_private_context_stays_with_the_caller(script: Script) -> None:
    with script.transaction(_check_access=True, _private=1, plain=2):
        result = model().who.defer()
    script.burst()
    with script.transaction():
        assert result.get(timeout=20)["context"] == {"plain": 2}


@once
def test_warnings_are_skipped(script: Script) -> None:
    assert script.value_of(lambda: model().who.defer())["skip_warnings"] is True


@once
def test_context_of_one_task_is_not_that_of_the_next(script: Script) -> None:
    with script.transaction(first=1):
        model().who.defer()
    seen = script.value_of(lambda: model().who.defer(), second=2)
    assert seen["context"] == {"second": 2}


# One transaction.


def test_a_failure_leaves_no_trace_in_the_database(
    script: Script, database: str, signal_log: SignalLog
) -> None:
    with script.transaction():
        model().write_and_fail.defer("gone")
    script.burst()
    assert labels(database) == []
    assert states(database) == ["failed"]
    (facts,) = signal_log.facts("task_failed")
    assert "The test refuses this." in str(facts["error"])


def test_a_task_defers_a_task(script: Script, database: str) -> None:
    parent = script.value_of(lambda: model().chain.defer("child"))
    script.burst()
    ((task, label),) = query(database, "SELECT task, label FROM async_test_entry")
    assert label == "child"
    assert task != parent
    assert states(database) == ["done", "done"]


def test_what_a_failed_task_deferred_is_gone(script: Script, database: str) -> None:
    with script.transaction():
        model().chain_and_fail.defer("child")
    script.burst()
    assert labels(database) == []
    assert states(database) == ["failed"]


@ONE_BROKER
def test_trytons_own_queue_runs_after_the_commit(script: Script, database: str) -> None:
    with script.transaction():
        model().use_tryton_queue.defer("x")
    script.burst()
    assert labels(database) == ["queued x", "x"]
    finished = query(database, "SELECT finished_at IS NOT NULL FROM ir_queue")
    assert [bool(value) for (value,) in finished] == [True]


@ONE_BROKER
def test_trytons_own_queue_is_dropped_by_a_rollback(
    script: Script, database: str
) -> None:
    with script.transaction():
        model().use_tryton_queue_and_fail.defer("x")
        left = model().pending_tryton_tasks.defer()
    script.burst()
    assert labels(database) == []
    with script.transaction():
        assert left.get(timeout=20) == 0


def test_a_read_only_transaction_sends_at_once(script: Script, database: str) -> None:
    with script.transaction(readonly=True):
        model().write_entry.defer("from a read-only transaction")
    script.burst()
    assert labels(database) == ["from a read-only transaction"]


def test_a_rolled_back_script_sends_nothing(script: Script, database: str) -> None:
    with script.transaction() as transaction:
        model().write_entry.defer("dropped")
        transaction.rollback()
        model().write_entry.defer("kept")
    with pytest.raises(RuntimeError, match="of the script"):
        with script.transaction():
            model().write_entry.defer("dropped, too")
            raise RuntimeError("of the script")
    script.burst()
    assert labels(database) == ["kept"]


def test_many_commits_of_a_script_send_each_part_once(
    script: Script, database: str
) -> None:
    with script.transaction() as transaction:
        for number in range(3):
            model().write_entry.defer(str(number))
            transaction.commit()
            transaction.commit()
    script.burst()
    assert sorted(labels(database)) == ["0", "1", "2"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_commit_by_the_task_itself_is_told(
    script: Script, database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it has committed is there again after each attempt."""
    with script.transaction():
        model().commit_early.defer(str(tmp_path / "attempts"), 1)
        model().write_entry.defer("other")
    run_until(script, lambda: states(database) == ["done"] * 2)
    assert sorted(labels(database)) == ["first part", "first part", "other"]
    told = [
        record.getMessage()
        for record in caplog.records
        if "committed its transaction by itself" in record.getMessage()
    ]
    # Once for all attempts of all tasks of the name.
    assert len(told) == 1
    assert "async_test.record.commit_early" in told[0]
    assert "a task of its own" in told[0]


# Again and again.


def test_a_failed_attempt_is_repeated(
    script: Script, database: str, tmp_path: Path, signal_log: SignalLog
) -> None:
    attempts = tmp_path / "attempts"
    with script.transaction():
        result = model().fail_times.defer(str(attempts), 1)
    run_until(script, lambda: states(database) == ["done"])
    assert len(attempts.read_text().splitlines()) == 2
    # The first one was rolled back.
    assert labels(database) == ["attempt"]
    with script.transaction():
        assert result.get(timeout=5) == 2
    names = Counter(signal_log.names())
    assert names["task_started"] == 2
    assert names["task_retried"] == names["task_succeeded"] == 1
    assert [facts["attempt"] for facts in signal_log.facts("task_started")] == [1, 2]


def test_attempts_come_to_an_end(script: Script, database: str, tmp_path: Path) -> None:
    from nereid_async.errors import TaskFailed

    attempts = tmp_path / "attempts"
    with script.transaction():
        result = model().retry_now.configure(max_attempts=3).defer(str(attempts), 99)
    run_until(script, lambda: states(database) == ["failed"])
    assert len(attempts.read_text().splitlines()) == 3
    with script.transaction(), pytest.raises(TaskFailed, match="Retry"):
        result.get(timeout=5)


def test_retry_is_a_new_attempt_at_the_time_asked_for(
    script: Script, database: str, tmp_path: Path
) -> None:
    attempts = tmp_path / "attempts"
    with script.transaction():
        model().retry_now.defer(str(attempts), 2)
    run_until(script, lambda: states(database) == ["done"])
    assert len(attempts.read_text().splitlines()) == 3
    assert labels(database) == ["attempt"]


@once
def test_only_listed_errors_are_repeated(
    script: Script, database: str, tmp_path: Path
) -> None:
    attempts = tmp_path / "attempts"
    with script.transaction():
        model().fail_with_key_error.defer(str(attempts))
    script.burst()
    assert states(database) == ["failed"]
    assert len(attempts.read_text().splitlines()) == 1


@once
def test_a_result_that_cannot_travel_is_a_failure(
    script: Script, database: str
) -> None:
    from nereid_async.errors import TaskFailed

    with script.transaction():
        result = model().unserialisable.defer()
        large = model().big.defer(1_048_577)
    script.burst()
    assert states(database) == ["failed", "failed"]
    with script.transaction():
        with pytest.raises(TaskFailed, match="cannot travel"):
            result.get(timeout=5)
        with pytest.raises(TaskFailed, match="limit"):
            large.get(timeout=5)


def test_one_bad_task_does_not_stop_the_others(script: Script, database: str) -> None:
    with script.transaction():
        for number in range(3):
            model().fail.defer(str(number))
            model().write_entry.defer(str(number))
    script.burst()
    assert sorted(labels(database)) == ["0", "1", "2"]
    assert Counter(states(database)) == {"failed": 3, "done": 3}


def test_many_tasks_run_once_each(script: Script, database: str) -> None:
    with script.transaction():
        for number in range(60):
            model().write_entry.defer(str(number))
    script.burst()
    counts = Counter(labels(database))
    assert counts == {str(number): 1 for number in range(60)}


# What a worker cannot run.


def test_an_unknown_task_is_kept_for_a_newer_worker(
    script: Script, database: str, signal_log: SignalLog
) -> None:
    Record = script.record
    Record.newer = classmethod(lambda cls: cls.plain("newer"))
    with script.transaction():
        Pool().get("async.async").defer(method="newer", model=Record)
        Record.write_entry.defer("known")
    newer = Record.newer
    del Record.newer
    script.burst()
    assert labels(database) == ["known"]
    assert states(database)[0] in ("pending", "sent")
    assert signal_log.facts("task_failed") == []
    Record.newer = newer
    try:
        run_until(script, lambda: labels(database) == ["known", "newer"])
    finally:
        del Record.newer


def test_an_unknown_task_fails_when_patience_ends(
    script: Script, tryton_conf: ConfWriter, database: str
) -> None:
    tryton_conf(unknown_grace=0)
    Record = script.record
    Record.older = classmethod(lambda cls: None)
    with script.transaction():
        Pool().get("async.async").defer(method="older", model=Record)
    del Record.older
    run_until(script, lambda: states(database) == ["failed"])


def rename_tasks(database: str, old: str, new: str) -> None:
    """Let the messages of a database name another task, rightly signed."""
    signer = signer_of(database)
    for task_id, text in query(database, "SELECT id, message FROM async_task"):
        changed = signer.sign(signer.unsign(text).replace(old, new))
        query(
            database, "UPDATE async_task SET message = %s WHERE id = %s",
            changed, task_id,
        )  # fmt: skip


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize("message", ["", "not a message", "{}.x", "☃"])
def test_a_row_with_a_wrong_signature_fails_at_once(
    script: Script, database: str, message: str
) -> None:
    with script.transaction():
        model().write_entry.defer("never")
    query(database, "UPDATE async_task SET message = %s", message)
    with script.transaction():
        model().write_entry.defer("next")
    script.burst()
    assert labels(database) == ["next"]
    assert states(database) == ["failed", "done"]


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_message_of_another_database_is_not_run_here(
    script: Script, database: str
) -> None:
    with script.transaction():
        model().write_entry.defer("never")
    rename_tasks(database, f'"database":"{database}"', '"database":"another"')
    script.burst()
    assert labels(database) == []


def test_a_run_in_this_process_leaves_no_descriptor(script: Script) -> None:
    """Scripts and tests run one worker after the other."""

    def pipes() -> int:
        gc.collect()
        # What is closed while the folder is read is gone by then.
        folder = Path("/proc/self/fd")
        return len([it for it in os.listdir(folder) if is_pipe(folder / it)])

    script.burst()
    before = pipes()
    for _ in range(3):
        script.burst()
    assert pipes() <= before


def is_pipe(descriptor: Path) -> bool:
    try:
        return os.readlink(descriptor).startswith("pipe:")
    except OSError:
        return False
