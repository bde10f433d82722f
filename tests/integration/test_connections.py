"""Connections beside Tryton's: kept, replaced, and one in a role at a time."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from trytond import backend as trytond_backend

from devtools.databases import Databases, PostgreSQLDatabases
from devtools.servers import PostgreSQL
from nereid_async.database import connection_pool, connections
from nereid_async.database.errors import is_passing
from nereid_async.errors import DatabaseUnavailable
from nereid_async.tryton_config import config
from tests.helpers import database_settings, query, wait_until


def test_one_is_alone_until_it_is_done(database: str) -> None:
    with connections.try_lock(database, "relay") as first:
        with connections.try_lock(database, "relay") as second:
            assert first
            assert not second
        # One that was not alone must not let go of what another one holds.
        with connections.try_lock(database, "relay") as third:
            assert not third
    with connections.try_lock(database, "relay") as fourth:
        assert fourth


def test_roles_and_databases_are_apart(database: str, cloned_database: str) -> None:
    with (
        connections.try_lock(database, "relay") as relay,
        connections.try_lock(database, "reaper") as reaper,
        connections.try_lock(cloned_database, "relay") as other,
    ):
        assert relay
        assert reaper
        assert other


#: How many sessions a database has.
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


def sessions(cursor: connections.Cursor) -> int:
    cursor.execute(SESSIONS)
    return int(cursor.fetchone()[0])


def be_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what has been idle until now have been so for long."""
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 60)


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize(("maxconn", "kept"), [("64", 3), ("4", 1), ("3", 0)])
def test_idle_connections_leave_trytonds_pool_enough(
    database: str, maxconn: str, kept: int
) -> None:
    def open_at_once(number: int) -> None:
        with ExitStack() as stack:
            for _ in range(number):
                stack.enter_context(connections.autocommit(database))

    before = config.get("database", "maxconn")
    config.set("database", "maxconn", maxconn)
    try:
        connections.close(database)
        open_at_once(3)
        # Trytond's own have done something else.
        idle = f"{SESSIONS} AND query = 'SHOW default_transaction_isolation'"
        wait_until(lambda: query(database, idle) == [(kept,)])
    finally:
        config.set("database", "maxconn", before or "64")
        connections.close(database)


def test_a_connection_that_the_server_has_closed_is_not_used(
    database: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connections.autocommit(database) as cursor:
        cursor.execute("SELECT 1")
    if backend == "postgresql":
        be_a_minute_later(monkeypatch)
        query(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
    with connections.autocommit(database) as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    # Others are lost as well: they are not for the next test.
    connections.close(database)


@pytest.mark.backends("postgresql")
def test_connections_that_were_lost_are_not_missed_by_trytonds_pool(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = trytond_backend.Database(database).connect()._connpool
    with connections.autocommit(database):
        used = len(pool._used)
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(connections.autocommit(database))
        be_a_minute_later(monkeypatch)
        query(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        with connections.autocommit(database):
            assert len(pool._used) == used
    # What is left of them is not for the next test.
    connections.close(database)


@pytest.mark.backends("postgresql")
def test_nothing_is_set_in_a_session_that_a_pooler_may_share(
    database: str, databases: Databases
) -> None:
    assert isinstance(databases, PostgreSQLDatabases)
    with database_settings(database, log_statement="all"):
        with connections.transaction(database, durable=False) as cursor:
            cursor.execute("SELECT 'logged'")
            session = f"[{cursor.connection.info.backend_pid}]"
    log = databases.log.read_text(errors="replace")
    logged = [line for line in log.splitlines() if session in line]
    assert "SELECT 'logged'" in str(logged)
    assert [line for line in logged if "SET default" in line] == []


@pytest.mark.backends("postgresql")
def test_not_to_wait_for_the_disk_ends_with_the_transaction(database: str) -> None:
    def setting(cursor: connections.Cursor) -> str:
        cursor.execute("SHOW synchronous_commit")
        return str(cursor.fetchone()[0])

    with connections.transaction(database) as cursor:
        assert setting(cursor) == "on"
    with connections.transaction(database, durable=False) as cursor:
        assert setting(cursor) == "off"
    with connections.autocommit(database) as cursor:
        assert setting(cursor) == "on"
        # One statement by itself, as the rows are written.
        cursor.execute(f"{connections.NOT_DURABLE}; SHOW synchronous_commit")
        assert cursor.fetchone() == ("off",)
        assert setting(cursor) == "on"


@pytest.mark.backends("postgresql")
class TestWhatAServerSays:
    """A real server says it, and means the caller or itself."""

    def say(self, database: str, state: str) -> None:
        with connections.autocommit(database) as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")

    @pytest.mark.parametrize(
        "state",
        [
            "08006",  # connection_failure
            "25006",  # read_only_sql_transaction
            "40001",  # serialization_failure
            "53100",  # disk_full
            "53200",  # out_of_memory
            "53300",  # too_many_connections
            "57P01",  # admin_shutdown
            "57P02",  # crash_shutdown
            "57P03",  # cannot_connect_now
            "58030",  # io_error
        ],
    )
    def test_it_may_do_the_same_later(self, database: str, state: str) -> None:
        with pytest.raises(DatabaseUnavailable):
            self.say(database, state)

    @pytest.mark.parametrize("state", ["22012", "23505", "42P01", "42601"])
    def test_it_will_not(self, database: str, state: str) -> None:
        with pytest.raises(Exception) as caught:
            self.say(database, state)
        assert not isinstance(caught.value, DatabaseUnavailable)


@pytest.mark.backends("postgresql")
class TestConnectionsToAStandby:
    """What was opened while the address led to a standby is not used for ever."""

    def test_one_beside_a_transaction(self, database: str) -> None:
        with connections.autocommit(database) as cursor:
            # As good as a standby: the session refuses to write from now on.
            cursor.execute("SET default_transaction_read_only = on")
            cursor.execute("SELECT pg_backend_pid()")
            (old,) = cursor.fetchone()
        write = "UPDATE async_run SET attempt = 0 WHERE id < 0"
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            with connections.autocommit(database) as cursor:
                cursor.execute(write)
        with connections.autocommit(database) as cursor:
            cursor.execute(write)
            cursor.execute("SELECT pg_backend_pid()")
            assert cursor.fetchone() != (old,)

    def test_one_of_a_transaction(self, database: str, server: PostgreSQL) -> None:
        connections.close(database)
        server.stop()
        server.start(standby=True)
        with connection_pool.start_transaction(database, 0, readonly=True):
            pass
        for _ in range(3):
            with pytest.raises(Exception, match="during recovery") as it:
                with connection_pool.start_transaction(database, 0) as transaction:
                    # In Tryton 8.0 this is when the server hears of it.
                    connections.cursor_of(transaction).execute("SELECT 1")
            assert is_passing(it.value)
            connection_pool.forget_after(database, it.value)
        with connections.autocommit(database) as cursor:
            wait_until(lambda: sessions(cursor) == 1)
        server.promote()
        with connection_pool.start_transaction(database, 0):
            pass


@pytest.mark.backends("postgresql")
def test_to_close_what_is_closed_needs_no_server(
    database: str, server: PostgreSQL
) -> None:
    """As the parent of a worker does after each process that it has lost."""
    connections.close(database)
    server.stop()
    connections.close(database)
    server.start()
    with connections.autocommit(database) as cursor:
        cursor.execute("SELECT 1")
