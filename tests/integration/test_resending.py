"""What is lost in a queue is sent again; what waits there, is not."""

from __future__ import annotations

import pytest

from devtools.proxy import Proxy, Refusal
from nereid_async.rows import Claim
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.resending import Resender
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until
from tests.integration.test_relay import ago, relay, sent

INTERVAL_S = 60
BACKLOG = 38


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    """SQS only: elsewhere nothing is sent."""
    return sqs_settings(proxy.url)


@pytest.fixture
def resender(script: Script) -> Resender:
    """That of a worker's relay."""
    return relay(script.database).resender


def defer(script: Script, number: int = 1) -> list[str]:
    """Send tasks; their ids."""
    with script.transaction():
        ids = [script.record.write_entry.defer(f"{n}").id for n in range(number)]
    wait_until(lambda: states(script.database).count("sent") >= number)
    return ids


def age(database: str, seconds: float = 3_600) -> None:
    """Let what was sent have been due for that long."""
    query(
        database,
        f"UPDATE async_task SET due_at = {ago(seconds)}, send_at = "
        f"CASE WHEN send_at IS NULL THEN NULL ELSE {ago(1)} END WHERE state = 'sent'",
    )


def end_runs(database: str, seconds: float = 3_600) -> None:
    """Let the leases of all runs have been over for that long."""
    query(database, f"UPDATE async_run SET lease_until = {ago(seconds)}")


def claim(database: str, task_id: str) -> Claim:
    rows = of_database(database).rows
    assert rows is not None
    return rows.claim_ids([task_id], 60)[task_id]


def lose(queue: TaskQueue, number: int) -> None:
    """Take messages from the queue, as nobody should."""
    taken = 0
    while taken < number:
        answer = queue.client.receive_message(
            QueueUrl=queue.url(), MaxNumberOfMessages=min(10, number - taken)
        )
        for message in answer["Messages"]:
            queue.client.delete_message(
                QueueUrl=queue.url(), ReceiptHandle=message["ReceiptHandle"]
            )
            taken += 1


def test_a_backlog_is_not_sent_again(
    script: Script, resender: Resender, queue: TaskQueue
) -> None:
    defer(script, BACKLOG)
    age(script.database)
    for _ in range(2):
        assert resender.look(INTERVAL_S) == 0
    assert queue.left() == BACKLOG


def test_as_many_are_sent_again_as_are_missing_and_once_an_interval(
    script: Script,
    resender: Resender,
    queue: TaskQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = script.database
    defer(script, BACKLOG)
    age(database)
    lose(queue, 3)
    assert resender.look(INTERVAL_S) == 3
    assert queue.left() == BACKLOG
    assert "3 task(s) are sent again" in caplog.text
    # Of those that may be the lost ones, it were the oldest.
    resent = query(database, "SELECT id FROM async_task WHERE send_at IS NOT NULL")
    oldest = query(database, "SELECT id FROM async_task ORDER BY due_at, id LIMIT 3")
    assert len(resent) == len(oldest) == 3
    # Lost again, they wait for the interval; others go instead.
    queue.client.purge_queue(QueueUrl=queue.url())
    assert resender.look(INTERVAL_S) == BACKLOG - 3
    assert resender.look(INTERVAL_S) == 0
    age(database)
    assert resender.look(INTERVAL_S) == 3
    # Which were lost is plain when the others have run.
    script.burst()
    age(database)
    assert resender.look(INTERVAL_S) == states(database).count("sent")
    script.burst()
    assert sorted(labels(database), key=int) == [str(n) for n in range(BACKLOG)]


def test_what_runs_hides_nothing_that_is_lost(
    script: Script, resender: Resender, queue: TaskQueue
) -> None:
    """A busy queue has always messages in flight."""
    database = script.database
    lost, *_ = defer(script)
    lose(queue, 1)
    age(database)
    running = defer(script, 3)
    consumer = of_database(database).broker.consumer(["trytond-async"])
    try:
        (receiver,) = consumer.receivers
        received = wait_until(lambda: receiver.receive(10, 1))
        for task_id in running:
            claim(database, task_id)
        assert len(received) == queue.left() == 3
        assert resender.look(INTERVAL_S) == 1
        assert queue.left() == 4
    finally:
        consumer.close()
    assert lost


def test_a_run_that_died_with_its_message_is_sent_again(
    script: Script, resender: Resender, queue: TaskQueue
) -> None:
    database = script.database
    (task_id,) = defer(script)
    claim(database, task_id)
    end_runs(database)
    # Its message waits to be taken over.
    assert resender.look(INTERVAL_S) == 0
    assert states(database) == ["running"]
    queue.client.purge_queue(QueueUrl=queue.url())
    # Of one that ended just now it may be hidden still.
    end_runs(database, 1)
    assert resender.look(INTERVAL_S) == 0
    end_runs(database)
    assert resender.look(INTERVAL_S) == 1
    assert sent(database, -1) == 1
    assert resender.look(INTERVAL_S) == 0
    script.burst()
    assert labels(database) == ["0"]


def test_a_run_whose_task_is_sent_again_cannot_finish(
    script: Script, resender: Resender, queue: TaskQueue
) -> None:
    """Its worker was stopped for a while, and goes on."""
    from nereid_async.errors import LeaseLost
    from nereid_async.messages.outcome import Outcome

    database = script.database
    (task_id,) = defer(script)
    held = claim(database, task_id)
    end_runs(database)
    queue.client.purge_queue(QueueUrl=queue.url())
    assert resender.look(INTERVAL_S) == 1
    rows = of_database(database).rows
    assert rows is not None
    with pytest.raises(LeaseLost):
        rows.finish_apart(held, Outcome(), 60)
    assert states(database) == ["pending"]


def test_where_the_depth_may_not_be_asked_it_is_said_and_the_interval_holds(
    script: Script,
    resender: Resender,
    queue: TaskQueue,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = script.database
    _, dead = defer(script, 2)
    claim(database, dead)
    end_runs(database, INTERVAL_S / 2)
    age(database)
    proxy.refuse("AccessDenied", 403, only="GetQueueAttributes")
    assert resender.look(INTERVAL_S) == 1
    assert resender.look(INTERVAL_S) == 0
    end_runs(database)
    assert resender.look(INTERVAL_S) == 1
    said = [it.message for it in caplog.records if "depth cannot be read" in it.message]
    assert len(said) == 1
    assert "GetQueueAttributes" in said[0] or "get_queue_attributes" in said[0]


def test_a_queue_that_is_gone_leaves_its_rows_unsent(
    script: Script, queue: TaskQueue, tryton_conf: ConfWriter
) -> None:
    database = script.database
    defer(script, 2)
    age(database)
    tryton_conf(sqs_create_queues="no", results="database")
    queue.client.delete_queue(QueueUrl=queue.url())
    assert relay(database).resender.look(INTERVAL_S) == 0
    # As any other row of a queue that does not exist, they are told and fail in time.
    assert states(database) == ["pending"] * 2


def test_a_queue_that_does_not_tell_does_not_keep_others_from_it(
    script: Script, resender: Resender, proxy: Proxy, queue: TaskQueue
) -> None:
    database = script.database
    with script.transaction():
        for name in ("a", "b"):
            script.record.write_entry.configure(queue=name).defer(name)
    wait_until(lambda: states(database) == ["sent"] * 2)
    age(database)
    for call in [it for it in proxy.made if it.name == "SendMessageBatch"]:
        queue.client.purge_queue(QueueUrl=call.parameters["QueueUrl"])
    proxy.watch.before = lambda call: (
        Refusal(400, "OverLimit")
        if call.name == "GetQueueAttributes" and call.queue.endswith("-a")
        else None
    )
    assert resender.look(INTERVAL_S) == 1
