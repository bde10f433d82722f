"""What travels on SQS is a pointer: the call stays in its row."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from devtools.messages import signer_of
from nereid_async.errors import MessageTooLarge
from nereid_async.messages.serialization import loads
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states

MB = 1_000_000


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    return sqs_settings(ministack)


def relay(database: str) -> list[str]:
    """Send what is unsent; the ids of what was."""
    runtime = of_database(database)
    assert runtime.rows is not None
    return Relay(runtime, runtime.rows).send_round(0).confirmed


def test_the_call_does_not_leave_the_database(
    script: Script, database: str, queue: TaskQueue
) -> None:
    with script.transaction(secret="in the context"):
        result = script.record.write_entry.defer("in the arguments")
    (body,) = queue.bodies()
    assert len(body) < 500
    sent = loads(signer_of(database).unsign(body))
    assert sent == {
        "format": 3,
        "id": result.id,
        "database": database,
        "identity": of_database(database).identity.value,
        "queue": "trytond-async",
        "name": "async_test.record.write_entry",
        "max_attempts": 5,
        "keep_result": True,
    }
    script.burst()
    assert labels(database) == ["in the arguments"]
    assert queue.left() == 0


def test_a_call_that_an_earlier_release_sent(
    script: Script, database: str, queue: TaskQueue
) -> None:
    """Before a deploy, whole; twice, as SQS may."""
    with script.transaction():
        script.record.write_entry.defer("x")
    ((call,),) = query(database, "SELECT message FROM async_task")
    queue.client.purge_queue(QueueUrl=queue.url())
    queue.put(call)
    script.burst()
    queue.put(call)
    script.burst()
    assert labels(database) == ["x"]
    assert queue.left() == 0
    assert queue.dead() == []


def test_a_row_that_is_gone(
    script: Script,
    database: str,
    queue: TaskQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "nereid_async")
    with script.transaction():
        result = script.record.write_entry.defer("x")
    query(database, "DELETE FROM async_task")
    script.burst()
    assert labels(database) == []
    assert queue.left() == 0
    assert queue.dead() == []
    assert f"task {result.id} (async_test.record.write_entry) has no row" in caplog.text


def test_a_row_that_cannot_be_read_has_failed(
    script: Script, database: str, queue: TaskQueue
) -> None:
    """Its dead letter lets it run when it can be read again."""
    with script.transaction():
        script.record.write_entry.defer("x")
        script.record.write_entry.defer("y")
    select = "SELECT uuid, message FROM async_task ORDER BY id"
    (task_id, call), _ = query(database, select)
    replace = "UPDATE async_task SET message = %s WHERE uuid = %s"
    query(database, replace, "garbage", task_id)
    script.burst()
    assert states(database) == ["failed", "done"]
    ((error,),) = query(
        database, "SELECT error FROM async_task WHERE state = %s", "failed"
    )
    assert json.loads(error)["type"] == "BadMessage"
    query(database, replace, call, task_id)
    assert queue.move_back() == 1
    script.burst()
    assert sorted(labels(database)) == ["x", "y"]


def test_the_relay_sends_pointers_whatever_is_in_the_rows(
    script: Script, database: str, queue: TaskQueue, tryton_conf: ConfWriter
) -> None:
    attributes = {"kind": {"DataType": "String", "StringValue": "mail"}}
    with script.transaction():
        task = script.record.write_entry.configure(attributes=attributes)
        short = task.defer("x")
        long = task.defer("x" * MB)
        bad = task.configure(max_attempts=1).defer("bad")
    query(database, "UPDATE async_task SET message = %s WHERE uuid = %s", "bad", bad.id)
    queue.client.purge_queue(QueueUrl=queue.url())
    query(database, "UPDATE async_task SET state = 'pending', send_at = NULL")
    assert sorted(relay(database)) == sorted([short.id, long.id, bad.id])
    answer = queue.client.receive_message(
        QueueUrl=queue.url(),
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=0,
    )
    found = {
        loads(signer_of(database).unsign(it["Body"]))["id"]: it.get("MessageAttributes")
        for it in answer["Messages"]
    }
    assert found == {short.id: attributes, long.id: attributes, bad.id: None}
    script.burst()
    assert states(database) == ["done", "done", "failed"]


class TestLargeOnes:
    """Arguments and results that SQS would not take."""

    @pytest.fixture(params=["database", "sqs"])
    def broker_settings(
        self, request: pytest.FixtureRequest, ministack: str
    ) -> dict[str, str]:
        return {
            **sqs_settings(ministack),
            "results": request.param,
            "max_message_bytes": str(4 * MB),
        }

    def test_three_megabytes_there_and_back(
        self, script: Script, database: str, queue: TaskQueue
    ) -> None:
        text = "ä" * (MB // 2)
        assert script.value_of(lambda: script.record.echo.defer(text)) == text
        assert script.value_of(lambda: script.record.big.defer(3 * MB)) == "x" * 3 * MB
        assert queue.left() == 0
        assert queue.replies() == []

    def test_what_is_larger_is_refused_where_it_is_made(
        self, script: Script, database: str
    ) -> None:
        with script.transaction():
            with pytest.raises(MessageTooLarge, match="max_message_bytes"):
                script.record.echo.defer("x" * 4 * MB)
            result: Any = script.record.big.defer(4 * MB)
        script.burst()
        assert states(database) == ["failed"]
        with script.transaction(), pytest.raises(Exception, match="max_message_bytes"):
            result.get(timeout=5)
