"""SQS delivers twice, late, and whatever others have put there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.messages import signer_of
from nereid_async.messages.serialization import dumps
from nereid_async.runtime import of_database
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, run_until, states, wait_until
from tests.marks import ONE_DATABASE


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    return sqs_settings(ministack)


@pytest.fixture
def sign(script: Script, database: str) -> Callable[[Any], str]:
    """Signs any content as a message of ours."""
    signer = signer_of(database)
    return lambda content: signer.sign(dumps(content))


def test_delivered_twice_at_once(
    script: Script, database: str, queue: TaskQueue
) -> None:
    with script.transaction():
        script.record.write_entry.defer("once")
    ((body,),) = query(database, "SELECT message FROM async_task")
    queue.put(body)
    queue.put(body)
    script.burst()
    assert labels(database) == ["once"]
    assert wait_until(lambda: queue.left() == 0)


def test_delivered_again_after_the_end(
    script: Script, database: str, queue: TaskQueue
) -> None:
    with script.transaction():
        result = script.record.write_entry.defer("once")
    ((body,),) = query(database, "SELECT message FROM async_task")
    script.burst()
    queue.put(body)
    script.burst()
    assert labels(database) == ["once"]
    assert queue.left() == 0
    with script.transaction():
        assert result.get(timeout=5) == "once"


def test_a_message_without_its_row_is_never_run(
    script: Script,
    database: str,
    queue: TaskQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with script.transaction():
        script.record.write_entry.defer("never")
    query(database, "DELETE FROM async_task")
    with caplog.at_level(logging.INFO):
        script.burst()
    assert labels(database) == []
    assert queue.left() == 0
    assert [record for record in caplog.records if "row" in record.getMessage()]


@ONE_DATABASE
@pytest.mark.parametrize("body", ["garbage", '{"a": 1}', "x.y", "{}.signature", "☃"])
def test_what_is_no_message_is_is_dead_letter_and_the_rest_runs(
    script: Script, database: str, queue: TaskQueue, body: str
) -> None:
    queue.put(body)
    with script.transaction():
        script.record.write_entry.defer("next")
    script.burst()
    assert labels(database) == ["next"]
    assert queue.dead() == [body]
    assert queue.left() == 0


def test_a_message_of_somebody_without_the_key_is_kept_and_then_is_dead_letter(
    script: Script, database: str, queue: TaskQueue, tryton_conf: ConfWriter
) -> None:
    with script.transaction():
        script.record.write_entry.defer("known")
    ((body,),) = query(database, "SELECT message FROM async_task")
    payload, _, signature = body.rpartition(".")
    forged = payload.replace('"known"', '"forged"') + "." + signature
    assert forged != body
    queue.put(forged)
    script.burst()
    assert labels(database) == ["known"]
    assert queue.dead() == []
    tryton_conf(unknown_grace=0)

    def is_dead_letter() -> bool:
        script.burst()
        return queue.dead() == [forged]

    wait_until(is_dead_letter)
    assert labels(database) == ["known"]


@ONE_DATABASE
def test_a_message_of_a_newer_release_is_kept(
    script: Script, database: str, queue: TaskQueue, sign: Any
) -> None:
    queue.put(sign({"format": 99}))
    script.burst()
    assert queue.dead() == []
    assert queue.left() == 1


def test_a_rightly_signed_message_of_another_database_is_not_run(
    script: Script, database: str, queue: TaskQueue
) -> None:
    with script.transaction():
        script.record.write_entry.defer("ours")
    ((body,),) = query(database, "SELECT message FROM async_task")
    signer = signer_of(database)
    queue.put(signer.sign(signer.unsign(body).replace(f'"{database}"', '"another"')))
    query(database, "UPDATE async_task SET message = message")
    script.burst()
    assert labels(database) == ["ours"]


def test_bare_sqs_runs_without_rows(
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    queue: TaskQueue,
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **broker_settings)
    script = Script(database)
    assert script.value_of(lambda: script.record.write_entry.defer("x")) == "x"
    assert labels(database) == ["x"]
    assert states(database) == []
    assert queue.left() == 0


def test_bare_sqs_counts_attempts_by_receives(
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    queue: TaskQueue,
    tmp_path: Any,
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **broker_settings)
    script = Script(database)
    attempts = tmp_path / "attempts"
    with script.transaction():
        task = script.record.retry_now.configure(max_attempts=3)
        task.defer(str(attempts), 99)

    def is_dead_letter() -> bool:
        script.burst()
        return len(queue.dead()) == 1

    wait_until(is_dead_letter, 30)
    assert len(attempts.read_text().splitlines()) == 3
    assert queue.left() == 0


def test_neither_mode_runs_what_the_other_has_deferred(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    queue: TaskQueue,
) -> None:
    """Settings change while messages are under way: none is lost, none doubled."""
    with script.transaction():
        script.record.write_entry.defer("with a row")
    tryton_conf(outbox="no")
    with script.transaction():
        script.record.write_entry.defer("without")
    tryton_conf(outbox="yes")
    run_until(script, lambda: labels(database) == ["with a row"])
    wait_until(lambda: len(queue.dead()) == 1)
    # Moved back, as AWS does it, it runs where it was deferred.
    tryton_conf(outbox="no")
    (without,) = queue.dead()
    queue.put(without)
    script.burst()
    assert labels(database) == ["with a row", "without"]


def test_what_a_dead_worker_held_comes_when_its_lease_is_over(
    script: Script, database: str
) -> None:
    """Its message may come a little earlier than that: it is not hidden anew."""
    with script.transaction():
        task = script.record.write_entry.configure(visibility_timeout=60)
        task_id = task.defer("taken over").id
    runtime = of_database(database)
    assert runtime.rows is not None
    assert list(runtime.rows.claim_ids([task_id], 6)) == [task_id]
    script.burst()
    assert states(database) == ["running"]

    def taken_over() -> bool:
        script.burst()
        return labels(database) == ["taken over"]

    # Sooner than the relay takes the message for lost.
    wait_until(taken_over, 15)
