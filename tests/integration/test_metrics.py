"""What is counted of the tasks of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from nereid_async import NereidAsync, signals
from nereid_async.errors import ConfigurationError
from nereid_async.metrics import measure
from nereid_async.metrics.families import PREFIX, Families
from nereid_async.metrics.queues import QueueReader
from nereid_async.metrics.recording import OTHER, TASKS_MAX, Recorder
from nereid_async.runtime import of_database
from tests.fixtures.scripts import Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import intake, query, runner_of
from tests.marks import ONE_DATABASE, once

QUEUE = "trytond-async"
WRITE = "async_test.record.write_entry"

#: Reads a value by its name and the values of its labels.
Value = Callable[..., float | None]


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    registry = CollectorRegistry()
    with Recorder(Families.of(registry)).connected():
        yield registry


@pytest.fixture
def value(registry: CollectorRegistry) -> Value:
    return lambda name, task=WRITE, queue=QUEUE, **labels: registry.get_sample_value(
        PREFIX + name, {"task": task, "queue": queue, **labels}
    )


def tasks_of(registry: CollectorRegistry) -> set[str]:
    """The tasks that are labels."""
    samples = [it for family in registry.collect() for it in family.samples]
    return {it.labels["task"] for it in samples if "task" in it.labels}


@once
def test_a_task_is_counted_from_its_deferral_to_its_end(
    script: Script, registry: CollectorRegistry, value: Value, tmp_path: Path
) -> None:
    with script.transaction():
        script.record.write_entry.defer("a")
        script.record.write_entry.configure(queue="mail").defer("b")
    with script.transaction() as transaction:
        script.record.write_entry.defer("never")
        transaction.rollback()
    with script.transaction():
        unique = script.record.write_entry.configure(delay=60, key="c")
        cancelled = unique.defer("c")
        unique.defer("kept")
    cancelled.cancel()
    script.burst()
    assert value("tasks_deferred_total") == 3
    assert value("tasks_merged_total", outcome="kept") == 1
    assert value("tasks_merged_total", outcome="replaced") == 0
    assert value("tasks_discarded_total", reason="rollback") == 1
    assert value("tasks_sent_total") == 2
    assert value("tasks_started_total") == 1
    assert value("tasks_finished_total", outcome="done") == 1
    assert value("tasks_finished_total", outcome="cancelled") == 1
    assert value("tasks_finished_total", outcome="failed") == 0
    assert value("task_run_seconds_count") == value("task_wait_seconds_count") == 1
    assert 0 < (value("task_run_seconds_sum") or 0) < 60
    assert value("tasks_sent_total", queue="mail") == 1
    assert value("tasks_started_total", queue="mail") is None


@once
def test_a_lost_lease_is_counted(
    script: Script, database: str, registry: CollectorRegistry, value: Value
) -> None:
    with script.transaction():
        script.record.write_entry.defer("late")
    runtime = of_database(database)
    consumer = runtime.broker.consumer([QUEUE])
    (receiver,) = consumer.receivers
    deliveries = receiver.receive(1, 0)
    (job,) = intake(runtime, consumer).admit(deliveries, at_once=True)
    query(database, "UPDATE async_task SET token = 'of another'")
    query(database, "UPDATE async_run SET token = 'of another'")
    runner_of(runtime, consumer).run(job)
    assert value("leases_lost_total") == 1
    assert value("tasks_finished_total", outcome="done") == 0


class TestOnSqs:
    @pytest.fixture
    def broker_settings(self, ministack: str) -> dict[str, str]:
        return sqs_settings(ministack)

    @ONE_DATABASE
    def test_duplicates_and_what_nobody_has_signed(
        self,
        script: Script,
        database: str,
        queue: TaskQueue,
        registry: CollectorRegistry,
        value: Value,
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("once")
        ((call,),) = query(database, "SELECT message FROM async_task")
        script.burst()
        queue.put(call)
        # Their names would be labels, one each.
        for number in range(20):
            queue.put(call.replace("write_entry", f"hostile{number}"))
        script.burst()
        assert value("duplicates_dropped_total") == 1
        calls = {"operation": "send_message_batch", "outcome": "ok"}
        assert registry.get_sample_value(f"{PREFIX}sqs_calls_total", calls) == 1
        assert tasks_of(registry) == {WRITE}


@once
def test_labels_are_bounded(script: Script, registry: CollectorRegistry) -> None:
    """Whatever a slip of ours names its queues."""
    for number in range(TASKS_MAX + 20):
        signals.duplicate_dropped.send("shop", task=WRITE, queue=f"q{number}")
    names = {"task": OTHER, "queue": OTHER}
    found = registry.get_sample_value(f"{PREFIX}duplicates_dropped_total", names)
    assert found == 20


@once
def test_a_process_measures_in_one_registry(script: Script) -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    counted = {"task": WRITE, "queue": QUEUE}
    for registry in (first, first, second):
        measure(registry)
    with script.transaction():
        script.record.write_entry.defer("a")
    name = f"{PREFIX}tasks_deferred_total"
    assert first.get_sample_value(name, counted) is None
    assert second.get_sample_value(name, counted) == 1
    with pytest.raises(ConfigurationError, match="Duplicated timeseries"):
        measure(first)


def test_the_oldest_row_that_waits_to_be_sent(script: Script, database: str) -> None:
    """On either database: rows of paused queues wait on purpose."""
    rows = of_database(database).needed_rows
    assert rows.oldest_unsent_s(900) == 0
    with script.transaction():
        script.record.write_entry.configure(queue="mail").defer("a")
    query(database, "UPDATE async_task SET state = 'pending'")
    before = rows.oldest_unsent_s(900)
    assert 0 < before < 60
    rows.pause("mail")
    assert rows.oldest_unsent_s(900) == 0
    facts = QueueReader(rows, 900, ["quiet"]).read()
    assert facts is not None
    assert facts.batches == (0, 0)
    assert [(it.queue, it.due) for it in facts.queues] == [("mail", 1), ("quiet", 0)]


def test_open_batches(script: Script, database: str) -> None:
    """On either database; those that have ended do not count."""
    with script.transaction():
        with NereidAsync.batch("News"):
            script.record.write_entry.configure(delay=60).defer("a")
        with NereidAsync.batch("None"):
            pass
    query(database, "UPDATE async_batch SET created_at = '2026-01-01 00:00:00'")
    number, oldest_s = of_database(database).needed_rows.open_batches()
    assert number == 1
    assert oldest_s > 86_400
