"""AWS moves messages back from the dead letters: they run, or the log says why not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from nereid_async.runtime import of_database
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until
from tests.integration.conftest import SignalLog


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    return sqs_settings(ministack)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "nereid_async")
    return caplog


def told(log: pytest.LogCaptureFixture, text: str) -> bool:
    return any("moved back" in it and text in it for it in log.messages)


@pytest.fixture
def failed(script: Script, tmp_path: Path, queue: TaskQueue) -> Any:
    """A task that has failed, and would not a second time."""
    with script.transaction():
        task = script.record.fail_times.configure(max_attempts=1)
        result = task.defer(str(tmp_path / "attempts"), 1)
    script.burst()
    assert states(script.database) == ["failed"]
    assert len(queue.dead()) == 1
    return result


def test_it_runs_again(script: Script, failed: Any, queue: TaskQueue) -> None:
    assert queue.move_back() == 1
    script.burst()
    assert states(script.database) == ["done"]
    assert labels(script.database) == ["attempt"]
    assert queue.dead() == []
    assert queue.left() == 0
    with script.transaction():
        assert failed.get(timeout=5) == 2


def test_it_fails_again_and_is_moved_back_again(
    script: Script, database: str, queue: TaskQueue, signal_log: SignalLog
) -> None:
    with script.transaction():
        script.record.fail.defer("x")
    script.burst()
    for _ in range(2):
        assert queue.move_back() == 1
        script.burst()
        assert states(database) == ["failed"]
        assert len(queue.dead()) == 1
        assert query(database, "SELECT attempt FROM async_run") == [(1,)]
    assert queue.left() == 0
    assert len(signal_log.facts("task_started")) == 3


def test_one_letter_is_one_run(
    script: Script,
    database: str,
    queue: TaskQueue,
    log: pytest.LogCaptureFixture,
    signal_log: SignalLog,
) -> None:
    """SQS delivers what was moved back a second time."""
    with script.transaction():
        script.record.fail.defer("x")
    script.burst()
    assert queue.move_back(copies=2) == 1

    def settled() -> bool:
        script.burst()
        return queue.left() == 0

    wait_until(settled)
    assert len(signal_log.facts("task_started")) == 2
    assert states(database) == ["failed"]
    assert told(log, "failed again")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE async_task SET state = 'done', error = NULL", "is done"),
        ("DELETE FROM async_task", "no row any more"),
    ],
)
def test_the_log_says_why_it_does_not_run(
    script: Script,
    database: str,
    failed: Any,
    queue: TaskQueue,
    log: pytest.LogCaptureFixture,
    statement: str,
    why: str,
) -> None:
    query(database, statement)
    queue.move_back()
    script.burst()
    assert labels(database) == []
    assert queue.left() == 0
    assert queue.dead() == []
    assert told(log, why)


def test_a_letter_of_an_earlier_release(
    script: Script,
    database: str,
    failed: Any,
    queue: TaskQueue,
    log: pytest.LogCaptureFixture,
) -> None:
    """It bears no mark, and so looks as if it had been delivered twice."""
    assert queue.move_back(attributes=False) == 1
    script.burst()
    assert states(database) == ["failed"]
    assert f"task {failed.id}" in log.messages[-1]
    assert "async retry" in log.messages[-1]
    assert queue.move_back() == 1
    script.burst()
    assert states(database) == ["done"]


def test_one_that_was_put_aside_for_its_signature(
    script: Script, database: str, tryton_conf: ConfWriter, queue: TaskQueue
) -> None:
    old, new = "the-old-key-of-tests", "the-new-key-of-tests"
    tryton_conf(signing_key=new)
    with script.transaction():
        script.record.write_entry.defer("x")
    # It is marked as sent now, not half a second later.
    of_database(database).sender.flush()
    tryton_conf(signing_key=old, unknown_grace=0)
    script.burst()
    # Another message is to be sent for its row, which tells more of it.
    assert states(database) == ["pending"]
    # Before the worker has the key, and when it has.
    tryton_conf(unknown_grace=900)
    assert queue.move_back() == 1
    script.burst()
    assert labels(database) == []
    tryton_conf(signing_key=f"{old}, {new}")

    def ran() -> bool:
        script.burst()
        return labels(database) == ["x"]

    wait_until(ran)


def test_without_a_row(
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    queue: TaskQueue,
    tmp_path: Path,
) -> None:
    key = "a-key-that-is-long-enough"
    tryton_conf(signing_key=key, outbox="no", **broker_settings)
    script = Script(database)
    with script.transaction():
        task = script.record.fail_times.configure(max_attempts=1)
        task.defer(str(tmp_path / "attempts"), 1)
    script.burst()
    assert queue.move_back() == 1
    script.burst()
    assert labels(database) == ["attempt"]
    assert queue.left() == 0
