"""The database knows the worker processes, and how fast tasks finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from devtools.plans import ExplainedRows, add_done
from devtools.servers import PostgreSQL
from nereid_async import __version__
from nereid_async.database import connections
from nereid_async.errors import DatabaseUnavailable
from nereid_async.rows import TaskRows
from nereid_async.rows.workers import LOST_AFTER_S, ListedWorker, Registered, WorkerRows
from nereid_async.runtime import Runtime, of_database
from nereid_async.worker.heartbeats import Heartbeats, ProcessHeartbeat
from nereid_async.worker.intervals import Intervals
from nereid_async.worker.maintenance.reaper import reap
from nereid_async.worker.options import Pool, WorkerOptions
from nereid_async.worker.registration import Registration
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import query, wait_until
from tests.marks import ONE_BROKER

OPTIONS = WorkerOptions(
    pools=(Pool(("mail",), 2), Pool(("*",), 1)),
    threads=3,
    intervals=Intervals(registration_pause_s=0.05),
)


@contextmanager
def registered(runtime: Runtime) -> Iterator[tuple[Registration, ProcessHeartbeat]]:
    """The thread of a process that is registered, and what it tells of itself."""
    heartbeat = Heartbeats(1, OPTIONS.threads).of(0)
    registration = Registration(runtime, OPTIONS, heartbeat)
    registration.start()
    try:
        yield registration, heartbeat
    finally:
        registration.stop()
        registration.join(10)
        assert not registration.is_alive()


def beats(database: str) -> list[Any]:
    """The last heartbeat of each process."""
    return query(database, "SELECT heartbeat_at FROM async_worker")


def age(database: str, seconds: float) -> None:
    """Let all processes have sent their last heartbeat so long ago."""
    rows = WorkerRows(database)
    with connections.transaction(database) as cursor:
        rows.execute(
            cursor, "UPDATE async_worker SET heartbeat_at = {later}", [-seconds]
        )


@ONE_BROKER
def test_a_process_from_its_start_to_its_end(
    script: Script, rows: TaskRows, database: str
) -> None:
    with registered(of_database(database)) as (registration, heartbeat):
        (first,) = wait_until(lambda: beats(database))
        heartbeat.begins(1, "some.task", None)
        wait_until(lambda: rows.workers()[0].busy == 1)
        assert beats(database) != [first]
        (worker,) = rows.workers()
        assert (worker.queues, worker.threads) == (("mail:2", "*:1"), 3)
        assert (worker.state, worker.version) == ("running", __version__)
        assert worker.serves("mail") and worker.serves("other")
        # Idle, and named by a worker: it is a queue all the same.
        assert [(it.queue, it.workers) for it in rows.overview()] == [("mail", 1)]
        registration.drain()
        wait_until(lambda: rows.workers()[0].state == "draining")
    assert rows.workers() == []


@ONE_BROKER
def test_who_is_silent_is_lost_and_then_forgotten(
    script: Script, rows: TaskRows, database: str
) -> None:
    runtime = of_database(database)
    killed = Registered("x", "gone", 7, "0.1.0", ("mail",), 2)
    assert rows.beat(killed, 1, "running", 60)
    assert [(it.queue, it.workers) for it in rows.overview()] == [("mail", 1)]
    age(database, LOST_AFTER_S + 5)
    assert rows.workers()[0].state == "lost"
    assert rows.overview() == []
    assert reap(runtime) == 0
    # Whoever was only stopped is back.
    assert rows.beat(killed, 1, "running", 60)
    assert rows.workers()[0].state == "running"
    age(database, LOST_AFTER_S + 3_605)
    assert reap(runtime) == 1
    assert rows.workers() == []


def test_without_an_outbox_and_without_the_table(
    cloned_database: str, tryton_conf: ConfWriter, ministack: Any
) -> None:
    tryton_conf(signing_key="k" * 16, outbox="no", **sqs_settings(ministack))
    runtime = of_database(cloned_database)
    rows = WorkerRows(cloned_database)
    with registered(runtime):
        wait_until(rows.workers)
        # As where the module is not updated.
        with connections.transaction(cloned_database) as cursor:
            cursor.execute("DROP TABLE async_worker")
    with registered(runtime) as (registration, _):
        assert registration.is_alive()
    assert rows.workers() == []
    assert rows.forget_lost_workers() == 0


@ONE_BROKER
@pytest.mark.backends("postgresql")
def test_it_outlives_an_outage(
    script: Script, rows: TaskRows, database: str, server: PostgreSQL
) -> None:
    with registered(of_database(database)) as (registration, _):
        wait_until(rows.workers)
        server.stop()
        server.start()
        query(database, "DELETE FROM async_worker")
        assert registration.is_alive()
        wait_until(lambda: listed(rows), what="it is registered again")


def listed(rows: TaskRows) -> list[ListedWorker]:
    """The workers; none while the connection to the former server is lost."""
    with suppress(DatabaseUnavailable):
        return rows.workers()
    return []


@ONE_BROKER
def test_the_rate(script: Script, rows: TaskRows) -> None:
    with script.transaction():
        for queue in ("mail", "mail", "other"):
            script.record.echo.configure(queue=queue).defer("x")
        script.record.fail.configure(queue="other", max_attempts=1).defer("x")
    assert {it.rate_per_min for it in rows.overview()} == {0}
    script.burst("mail", "other")
    rates = {it.queue: it.rate_per_min for it in rows.overview()}
    # Two of each, in five minutes.
    assert rates == {"mail": pytest.approx(0.4), "other": pytest.approx(0.4)}


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("name", ["rates_by", "workers_by"])
def test_what_is_read_does_not_grow(cloned_database: str, name: str) -> None:
    with connections.autocommit(cloned_database) as cursor:
        # The latest 200 a second, more of them than are read.
        add_done(cursor, 20_000, "q")
        cursor.execute(
            "UPDATE async_task SET finished_at = now() AT TIME ZONE 'UTC' "
            "- id * INTERVAL '5 ms'"
        )
        cursor.execute("ANALYZE async_task")
        rows = ExplainedRows(cloned_database, analyze=True)
        found: Callable[..., Any] = getattr(rows, name)
        told = found(cursor)
    if name == "rates_by":
        assert rows.most_read == 10_000
        assert told["q"] == pytest.approx(12_000, rel=0.1)
    assert all("Seq Scan on async_task" not in plan for plan in rows.plans)
