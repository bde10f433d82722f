"""What a worker holds stays its own, whatever stands in the heartbeat's way."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.databases import Databases, PostgreSQLDatabases, SQLiteDatabases
from devtools.proxy import Call, Proxy, Refusal
from nereid_async.brokers.base import Consumer
from nereid_async.errors import LeaseLost
from nereid_async.runtime import of_database
from nereid_async.worker.attempt import Attempt
from nereid_async.worker.execution import Execution
from nereid_async.worker.job import Job
from nereid_async.worker.lease import LeaseKeeper
from nereid_async.worker.runner import Runner
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import (
    intake,
    labels,
    query,
    runner_of,
    states,
    wait_until,
)

LEASE_S = 3
LEASE = "SELECT lease_until FROM async_run WHERE uuid = %s"
HOLD = "ChangeMessageVisibilityBatch"


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return sqs_settings(proxy.url)


def defer(script: Script, *queues: str) -> list[str]:
    """Defer a task into each of these queues; their ids."""
    with script.transaction():
        task = script.record.write_entry.configure(visibility_timeout=LEASE_S)
        return [task.configure(queue=queue).defer(queue).id for queue in queues]


def receive(consumer: Consumer, database: str) -> list[Job]:
    """Receive and claim what there is in each of a consumer's queues."""
    admitted = intake(of_database(database), consumer)
    return [
        job
        for receiver in consumer.receivers
        for job in admitted.admit(receiver.receive(10, 2), at_once=False)
    ]


@contextmanager
def consuming(database: str, *queues: str) -> Iterator[Consumer]:
    consumer = of_database(database).broker.consumer(queues)
    try:
        yield consumer
    finally:
        consumer.close()


@contextmanager
def held(database: str, *queues: str) -> Iterator[list[Job]]:
    """Receive what there is in these queues, and hold it."""
    with consuming(database, *queues) as consumer:
        jobs = receive(consumer, database)
        keeper = LeaseKeeper(of_database(database), consumer)
        for thread in keeper.threads:
            thread.start()
        for job in jobs:
            keeper.hold(job)
        try:
            yield jobs
        finally:
            for thread in keeper.threads:
                thread.stop()
            for thread in keeper.threads:
                thread.join()


@contextmanager
def locked(databases: Databases, database: str) -> Iterator[None]:
    """Hold a SQLite file, as a task does that has written."""
    assert isinstance(databases, SQLiteDatabases)
    path = databases.file(database)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.backends("sqlite")
def test_a_beat_that_fails_is_repeated_at_once(
    script: Script,
    database: str,
    databases: Databases,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (task_id,) = defer(script, "q")
    rows = of_database(database).rows
    assert rows is not None
    with held(database, "q") as (job,):
        # It was received for the time in the settings; the first beat shortens that.
        wait_until(lambda: job.lease.ends_at_s < job.delivery.received_at_s + 10)
        assert job.claim is not None
        received_for_s = job.claim.held_until_s
        wait_until(lambda: job.claim_lease.ends_at_s < received_for_s)
        (before,) = query(database, LEASE, task_id)
        with locked(databases, database):
            held_by_sqs = job.lease.ends_at_s
            wait_until(lambda: "database is locked" in caplog.text)
            wait_until(lambda: job.lease.ends_at_s > held_by_sqs)
        # Not at the next beat, which comes too late.
        while query(database, LEASE, task_id) == [before]:
            assert rows.claim_ids([task_id], LEASE_S) == {}


# One of the two services does not answer.


def wait_for_a_beat(database: str, task_id: str) -> None:
    """Wait until the row's lease is extended."""
    before = query(database, LEASE, task_id)
    wait_until(lambda: query(database, LEASE, task_id) != before)


@pytest.mark.backends("postgresql")
def test_a_slow_sqs_does_not_let_the_rows_lapse(
    script: Script, database: str, proxy: Proxy
) -> None:
    (task_id,) = defer(script, "q")
    waits, go = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if call.name == HOLD:
            waits.set()
            go.wait(60)

    proxy.watch.before = hold
    try:
        with held(database, "q"):
            assert waits.wait(20)
            for _ in range(3):
                wait_for_a_beat(database, task_id)
            go.set()
    finally:
        go.set()


@pytest.mark.backends("postgresql")
def test_a_slow_database_does_not_let_the_messages_go(
    script: Script, database: str, databases: Databases, proxy: Proxy
) -> None:
    import psycopg2

    assert isinstance(databases, PostgreSQLDatabases)
    defer(script, "q")
    with held(database, "q"):
        wait_until(lambda: proxy.count(HOLD) >= 1)
        with closing(psycopg2.connect(databases.uri + database)) as connection:
            connection.cursor().execute("SELECT id FROM async_run FOR UPDATE")
            before = proxy.count(HOLD)
            wait_until(lambda: proxy.count(HOLD) >= before + 4)


@pytest.mark.backends("postgresql")
def test_a_queue_that_is_denied_does_not_let_another_ones_messages_go(
    script: Script, database: str, proxy: Proxy
) -> None:
    defer(script, "a", "b")
    held_in: list[str] = []

    def refuse(call: Call) -> Refusal | None:
        if call.name == HOLD:
            held_in.append(call.queue)
            if call.queue.endswith("-a"):
                return Refusal(403, "AccessDenied")
        return None

    proxy.watch.before = refuse
    with held(database, "a", "b") as jobs:
        assert len(jobs) == 2
        wait_until(lambda: len([it for it in held_in if it.endswith("-b")]) >= 3)


# What is lost does not run.


@pytest.fixture(params=["database", "sqs"])
def short_leases(
    request: pytest.FixtureRequest,
    tryton_conf: ConfWriter,
    database: str,
    broker_settings: dict[str, str],
) -> Script:
    """Of a second, and on each of the brokers."""
    settings = broker_settings if request.param == "sqs" else {"broker": "database"}
    tryton_conf(signing_key=SECRET_KEY, visibility_timeout=1, **settings)
    return Script(database)


@contextmanager
def waiting(script: Script, task: str, *args: object) -> Iterator[tuple[Job, Runner]]:
    """A job that nobody extends, and what would run it."""
    with script.transaction():
        method = getattr(script.record, task).configure(queue="q")
        method.configure(visibility_timeout=1).defer(*args)
    runtime = of_database(script.database)
    with consuming(script.database, "q") as consumer:
        (job,) = receive(consumer, script.database)
        LeaseKeeper(runtime, consumer).hold(job)
        yield job, runner_of(runtime, consumer)


def take_over(job: Job, database: str) -> None:
    """Be another worker that claims the task when the lease is over."""
    rows = of_database(database).rows
    assert rows is not None
    wait_until(lambda: rows.claim_ids([job.message.id], 60))


def test_what_waited_beyond_its_lease_does_not_run_if_another_worker_has_it(
    short_leases: Script, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with waiting(short_leases, "work_for", str(started), 0) as (job, runner):
        take_over(job, database)
        runner.run(job)
    assert not started.exists()
    assert states(database) == ["running"]


def test_what_waited_beyond_its_lease_runs_if_nobody_has_it(
    short_leases: Script, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with waiting(short_leases, "work_for", str(started), 0) as (job, runner):
        wait_until(lambda: job.claim_lease.over)
        runner.run(job)
    assert states(database) == ["done"]
    assert labels(database) == ["worked"]


@pytest.mark.backends("postgresql")
def test_without_a_row_the_message_decides(
    script: Script, database: str, tryton_conf: ConfWriter, tmp_path: Path
) -> None:
    tryton_conf(outbox="no")
    started = tmp_path / "started"
    with waiting(script, "work_for", str(started), 0) as (job, runner):
        assert job.claim is None
        job.lease.lost()
        runner.run(job)
    assert not started.exists()


@pytest.mark.backends("postgresql")
def test_a_run_that_lost_its_claim_is_not_begun_once_more(
    short_leases: Script, database: str, tmp_path: Path
) -> None:
    """Its commit fails by an error of the database that is worth another try."""
    started, go = tmp_path / "started", tmp_path / "go"
    runtime = of_database(database)
    task = waiting(short_leases, "wait_for_file", str(started), str(go))
    with task as (job, _), ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: Execution(Attempt(job), runtime, "worker").run())
        wait_until(started.exists)
        take_over(job, database)
        go.touch()
        with pytest.raises(LeaseLost):
            run.result(30)
    assert len(started.read_text().splitlines()) == 1
    assert states(database) == ["running"]
    assert labels(database) == []
