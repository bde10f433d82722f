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
    # It is marked as sent now, not half a second later.
    of_database(script.database).sender.flush()
    return id


def run_until(script: Script, state: str) -> None:
    """Run workers, and their relay."""
    runtime = of_database(script.database)
    rows = runtime.rows
    assert rows is not None

    def ran() -> bool:
        script.burst()
        if not runtime.rows_are_messages:
            Relay(runtime, rows).send_round(0)
        return states(script.database) == [state]

    wait_until(ran)


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
    run_until(script, "failed")
    ((error,),) = query(database, "SELECT error FROM async_task")
    assert "signing_key" in json.loads(error)["message"]
    tryton_conf(signing_key=f"{OLD}, {NEW}")
    rows = of_database(database).rows
    assert rows is not None
    assert rows.retry_failed([task_id]) == [task_id]
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

    def test_it_says_nothing_of_a_task_that_has_run_or_runs(
        self, script: Script, database: str, tryton_conf: ConfWriter, queue: TaskQueue
    ) -> None:
        defer(script, tryton_conf)
        (sent,) = queue.bodies()
        script.burst()
        running_id = defer(script, tryton_conf)
        rows = of_database(database).rows
        assert rows is not None
        assert set(rows.claim_ids([running_id], 60)) == {running_id}
        queue.put(sent)
        tryton_conf(signing_key=OLD, unknown_grace=0)
        script.burst()
        assert states(database) == ["done", "running"]
        assert len(queue.dead()) == 2
