"""What a worker holds stays its own, whatever stands in the heartbeat's way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from nereid_async.runtime import of_database
from nereid_async.worker.lease import LeaseKeeper
from tests.databases import Databases, SQLiteDatabases
from tests.fixtures.scripts import Script
from tests.fixtures.services import sqs_settings
from tests.helpers import admission, query, wait_until

LEASE_S = 3


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    return sqs_settings(ministack)


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
    with script.transaction():
        task = script.record.write_entry.configure(visibility_timeout=LEASE_S)
        result = task.defer("once")
    runtime = of_database(database)
    assert runtime.rows is not None
    consumer = runtime.broker.consumer((runtime.settings.sqs_queue,))
    keeper = LeaseKeeper(runtime, consumer)
    received = consumer.receivers[0].receive(1, 1)
    (job,) = admission(runtime, consumer).admit(received, at_once=False)
    lease = "SELECT lease_until FROM async_run WHERE uuid = %s"
    keeper.start()
    try:
        keeper.hold(job)
        # It was received for the time in the settings; the first beat shortens that.
        received_for_s = job.lease._ends_at_s
        wait_until(lambda: job.lease._ends_at_s < received_for_s)
        (before,) = query(database, lease, result.id)
        with locked(databases, database):
            held_by_sqs = job.lease._ends_at_s
            wait_until(lambda: "database is locked" in caplog.text)
            wait_until(lambda: job.lease._ends_at_s > held_by_sqs)
        # Not at the next beat, which comes too late.
        while query(database, lease, result.id) == [before]:
            assert runtime.rows.claim_ids([result.id], LEASE_S) == {}
    finally:
        keeper.stop()
        keeper.join()
        consumer.close()
