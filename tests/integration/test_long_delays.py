"""Delays that are longer than SQS hides a message for, which is 12 hours in all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.proxy import Proxy
from nereid_async.brokers.base import Consumer, Delivery
from nereid_async.errors import Retry
from nereid_async.runtime import of_database
from nereid_async.worker.delivery_row import row_of
from nereid_async.worker.job import Job
from nereid_async.worker.maintenance.relay import Relay
from nereid_async.worker.settlement import Settlement
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states

YEAR_S = 365 * 86_400.0

Received = tuple[Consumer, Delivery]


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    """SQS, with a proxy that refuses what AWS refuses."""
    return sqs_settings(proxy.url)


@pytest.fixture
def received(script: Script, database: str) -> Iterator[Received]:
    """A message in hand, and who has received it."""
    with script.transaction():
        script.record.write_entry.defer("long")
    runtime = of_database(database)
    consumer = runtime.broker.consumer((runtime.settings.sqs_queue,))
    (delivery,) = consumer.receivers[0].receive(1, 1)
    yield consumer, delivery
    consumer.close()


def retry_of(script: Script, path: Path, delay: float) -> None:
    """Let a task ask for another attempt after a delay, and run the first one."""
    with script.transaction():
        script.record.run_twice.defer(str(path), 0, delay)
    script.burst()


def runs(path: Path) -> int:
    return len(path.read_text().splitlines())


def due_in_s(database: str) -> float:
    rows = of_database(database).rows
    assert rows is not None
    ((task_id,),) = query(database, "SELECT uuid FROM async_task")
    seconds = rows.free_in_s(task_id)
    assert seconds is not None
    return seconds


def fall_due(database: str) -> None:
    query(database, "UPDATE async_task SET due_at = deferred_at")


@pytest.mark.parametrize("delay_s", [43_200.0, YEAR_S])
def test_a_long_retry_waits_in_its_row(
    script: Script, database: str, queue: TaskQueue, tmp_path: Path, delay_s: float
) -> None:
    retry_of(script, tmp_path / "runs", delay_s)
    assert states(database) == ["pending"]
    assert delay_s - 60 < due_in_s(database) <= delay_s
    assert queue.left() == 0
    # What was sent before, and is noted late, must not let the row be forgotten.
    rows = of_database(database).rows
    assert rows is not None
    rows.mark_sent([uuid for (uuid,) in query(database, "SELECT uuid FROM async_task")])
    assert states(database) == ["pending"]

    fall_due(database)
    assert len(Relay(of_database(database), rows).send_round(0).confirmed) == 1
    script.burst()
    assert states(database) == ["done"]
    assert runs(tmp_path / "runs") == 2


def test_a_shorter_retry_waits_in_the_queue(
    script: Script, database: str, queue: TaskQueue, tmp_path: Path
) -> None:
    retry_of(script, tmp_path / "runs", 1_000)
    assert states(database) == ["sent"]
    assert queue.left() == 1


def test_a_retry_at_the_end_of_the_12_hours_waits_in_its_row(
    script: Script, database: str, received: Received
) -> None:
    consumer, delivery = received
    runtime = of_database(database)
    assert runtime.rows is not None
    ((task_id,),) = query(database, "SELECT uuid FROM async_task")
    claim = runtime.rows.claim_ids([task_id], 60)[task_id]
    delivery.received_at_s -= 43_000
    delivery.claim = claim
    message = runtime.codec.decode(claim.text)
    job = Job(delivery, message, row_of(delivery, runtime))
    Settlement(runtime, consumer).retry(job, 600, Retry())
    assert states(database) == ["pending"]


def test_a_message_that_comes_early_is_hidden_until_it_is_due(
    script: Script, database: str, queue: TaskQueue, proxy: Proxy
) -> None:
    with script.transaction():
        script.record.write_entry.configure(delay=2_000).defer("later")
    ((body,),) = query(database, "SELECT message FROM async_task")
    queue.put(body)
    script.burst()
    assert labels(database) == []
    assert queue.left() == 1
    (hidden,) = [it for it in proxy.made if it.name == "ChangeMessageVisibility"]
    assert 1_900 < hidden.parameters["VisibilityTimeout"] <= 2_000


def test_the_bare_mode_waits_as_long_as_it_can_and_says_so(
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    queue: TaskQueue,
    proxy: Proxy,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **broker_settings)
    retry_of(Script(database), tmp_path / "runs", YEAR_S)
    (hidden,) = [it for it in proxy.made if it.name == "ChangeMessageVisibility"]
    assert 43_000 < hidden.parameters["VisibilityTimeout"] < 43_200
    assert "not in 31536000 s: without an outbox, SQS hides" in caplog.text
    assert "Traceback" not in caplog.text.rpartition("not in 31536000 s")[2]


class TestHeartbeats:
    """They end with the 12 hours, which count from the receipt."""

    def test_the_longest_hold_is_no_loss(self, received: Received) -> None:
        consumer, delivery = received
        assert consumer.extend([delivery], 43_200) == []

    def test_after_12_hours_the_message_is_let_go(
        self,
        received: Received,
        proxy: Proxy,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        consumer, delivery = received
        delivery.received_at_s -= 43_200
        for receipt in proxy.receipts.received_at_s:
            proxy.receipts.received_at_s[receipt] -= 43_200
        for _ in range(3):
            assert consumer.extend([delivery], 60) == [delivery]
        assert caplog.text.count("for 12 hours, as long as it can") == 1
        assert "SQS did not hold" not in caplog.text
