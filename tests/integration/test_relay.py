"""What was committed and not sent, or sent and not run, is sent later."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from devtools.processes import free_port
from nereid_async.brokers.base import SendReport
from nereid_async.runtime import of_database
from nereid_async.worker.intervals import Intervals
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    """SQS only: elsewhere there is nothing to relay."""
    return sqs_settings(ministack)


def relay(database: str) -> Relay:
    runtime = of_database(database)
    assert runtime.rows is not None
    return Relay(runtime, runtime.rows)


def sent(database: str, min_age_s: float) -> int:
    """How many messages the relay sends now."""
    return len(relay(database).send_round(min_age_s).confirmed)


def _outage(tryton_conf: ConfWriter) -> None:
    tryton_conf(sqs_endpoint_url=f"http://127.0.0.1:{free_port()}", send_timeout="0.5")


def ago(seconds: float) -> str:
    """A time in the past, as an expression."""
    from trytond import backend

    if backend.name == "postgresql":
        return f"clock_timestamp() AT TIME ZONE 'UTC' - INTERVAL '{seconds} seconds'"
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{seconds} seconds')"


def hour_ago() -> str:
    return ago(3_600)


def test_rows_of_an_outage_are_sent(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
) -> None:
    _outage(tryton_conf)
    with script.transaction():
        for number in range(12):
            script.record.write_entry.defer(str(number))
    assert states(database) == ["pending"] * 12

    tryton_conf(send_timeout="10", **broker_settings)
    assert sent(database, 0) == 12
    assert states(database) == ["sent"] * 12
    assert sent(database, 0) == 0
    script.burst()
    assert sorted(labels(database), key=int) == [str(n) for n in range(12)]


def test_young_rows_are_left_to_their_own_process(
    script: Script, database: str, tryton_conf: ConfWriter
) -> None:
    _outage(tryton_conf)
    with script.transaction():
        script.record.write_entry.defer("young")
    assert sent(database, 10) == 0
    assert states(database) == ["pending"]


def test_a_long_delay_waits_in_the_row(script: Script, database: str) -> None:
    with script.transaction():
        script.record.write_entry.configure(delay=2_000).defer("later")
    assert sent(database, 0) == 0
    assert states(database) == ["pending"]
    query(database, f"UPDATE async_task SET due_at = {hour_ago()}")
    assert sent(database, 0) == 1
    script.burst()
    assert labels(database) == ["later"]


def test_sent_rows_are_marked_off_the_request(script: Script, database: str) -> None:
    with script.transaction():
        script.record.write_entry.defer("x")
    wait_until(lambda: states(database) == ["sent"])


def test_a_row_that_cannot_be_read_does_not_hold_up_the_others(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
) -> None:
    _outage(tryton_conf)
    with script.transaction():
        bad = script.record.write_entry.defer("bad")
        script.record.write_entry.defer("good")
    query(database, "UPDATE async_task SET message = 'none' WHERE uuid = %s", bad.id)
    tryton_conf(send_timeout="10", **broker_settings)
    assert sent(database, 0) == 2
    script.burst()
    assert labels(database) == ["good"]


def test_attributes_are_in_what_is_sent_later(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
) -> None:
    attributes = {
        "kind": {"DataType": "String", "StringValue": "mail"},
        "image": {"DataType": "Binary", "BinaryValue": b"\x89PNG"},
    }
    _outage(tryton_conf)
    with script.transaction():
        script.record.write_entry.configure(attributes=attributes).defer("x")
    tryton_conf(send_timeout="10", **broker_settings)
    assert sent(database, 0) == 1
    queue = TaskQueue(broker_settings, database)
    (message,) = queue.client.receive_message(
        QueueUrl=queue.url(), MessageAttributeNames=["All"], WaitTimeSeconds=2
    )["Messages"]
    assert message["MessageAttributes"] == attributes


def test_attributes_of_an_earlier_release_do_not_hold_up_the_others(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    _outage(tryton_conf)
    with script.transaction():
        bad = script.record.write_entry.defer("bad")
        script.record.write_entry.defer("good")
    codec = of_database(database).codec
    select = "SELECT message FROM async_task WHERE uuid = %s"
    ((text,),) = query(database, select, bad.id)
    query(
        database,
        "UPDATE async_task SET message = %s WHERE uuid = %s",
        # It did not check them when they were given.
        codec.encode(replace(codec.decode(text), attributes={"kind": {"a": "b"}})),
        bad.id,
    )
    tryton_conf(send_timeout="10", **broker_settings)
    assert sent(database, 0) == 2
    assert f"row of task {bad.id}: attribute 'kind'" in caplog.text
    script.burst()
    assert sorted(labels(database)) == ["bad", "good"]


class _Stumbling(Relay):
    """Meets something that nobody thought of, in its first round."""

    went_on: threading.Event

    def send_round(self, min_age_s: float) -> SendReport:
        if not hasattr(self, "went_on"):
            self.went_on = threading.Event()
            raise KeyError("unforeseen")
        self.went_on.set()
        return super().send_round(min_age_s)


def test_a_relay_goes_on_after_what_nobody_thought_of(
    script: Script,
    database: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = of_database(database)
    assert runtime.rows is not None
    it = _Stumbling(runtime, runtime.rows, Intervals(relay_pause_s=0.01))
    it.start()
    try:
        wait_until(lambda: hasattr(it, "went_on") and it.went_on.is_set())
    finally:
        it.stop()
        it.join(10)
    assert "the relay failed, and goes on" in caplog.text
