"""While keys are rotated, some workers do not know the one that a message bears."""

from __future__ import annotations

import json

import pytest

from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until

OLD, NEW = "the-old-key-of-tests", "the-new-key-of-tests"


def defer(script: Script, conf: ConfWriter, label: str = "x") -> str:
    """Defer as a web process does that has been given the new key already."""
    conf(signing_key=f"{NEW}, {OLD}")
    with script.transaction():
        id: str = script.record.write_entry.configure(max_attempts=1).defer(label).id
    return id


def run_until(script: Script, state: str) -> None:
    def ran() -> bool:
        script.burst()
        return states(script.database) == [state]

    wait_until(ran, 20)


def retry(database: str, task_id: str) -> None:
    """What the command does, and the relay."""
    runtime = of_database(database)
    assert runtime.rows is not None
    assert runtime.rows.retry_failed([task_id]) == [task_id]
    if not runtime.rows_are_messages:
        Relay(runtime, runtime.rows).send_round(0)


def test_it_is_kept_for_a_worker_that_knows_the_key(
    script: Script, database: str, tryton_conf: ConfWriter
) -> None:
    defer(script, tryton_conf)
    tryton_conf(signing_key=OLD)
    script.burst()
    assert states(database) in (["pending"], ["sent"])
    tryton_conf(signing_key=f"{OLD}, {NEW}")
    run_until(script, "done")
    assert labels(database) == ["x"]


def test_what_was_put_aside_for_its_signature_can_be_retried(
    script: Script, database: str, tryton_conf: ConfWriter
) -> None:
    task_id = defer(script, tryton_conf)
    tryton_conf(signing_key=OLD, unknown_grace=0)
    script.burst()
    assert states(database) == ["failed"]
    ((error,),) = query(database, "SELECT error FROM async_task")
    assert "signing_key" in json.loads(error)["message"]
    tryton_conf(signing_key=f"{OLD}, {NEW}")
    retry(database, task_id)
    run_until(script, "done")
    assert labels(database) == ["x"]


class TestInTheQueue:
    @pytest.fixture
    def broker_settings(self, ministack: str) -> dict[str, str]:
        return sqs_settings(ministack)

    def test_an_id_alone_proves_nothing(
        self, script: Script, database: str, tryton_conf: ConfWriter, queue: TaskQueue
    ) -> None:
        """Somebody without a key writes a message with the id of a task."""
        defer(script, tryton_conf)
        ((body,),) = query(database, "SELECT message FROM async_task")
        forged = body.replace('"x"', '"forged"')
        assert forged != body
        tryton_conf(unknown_grace=0)
        queue.put(forged)
        run_until(script, "done")
        assert labels(database) == ["x"]
        assert queue.dead() == [forged]

    def test_one_that_has_run_is_dropped(
        self, script: Script, database: str, tryton_conf: ConfWriter, queue: TaskQueue
    ) -> None:
        defer(script, tryton_conf)
        ((body,),) = query(database, "SELECT message FROM async_task")
        script.burst()
        queue.put(body)
        tryton_conf(signing_key=OLD, unknown_grace=0)
        script.burst()
        assert states(database) == ["done"]
        assert queue.left() == 0
        assert queue.dead() == []

    def test_one_that_runs_is_left_to_its_worker(
        self, script: Script, database: str, tryton_conf: ConfWriter, queue: TaskQueue
    ) -> None:
        task_id = defer(script, tryton_conf)
        rows = of_database(database).rows
        assert rows is not None
        assert set(rows.claim_ids([task_id], 60)) == {task_id}
        tryton_conf(signing_key=OLD, unknown_grace=0)
        script.burst()
        assert states(database) == ["running"]
        assert queue.dead() == []
        assert queue.left() == 1
