"""Connections besides Tryton's transaction: for claims, leases, progress and polls.

Their statements commit at once, whatever becomes of the surrounding transaction. On
PostgreSQL they run at READ COMMITTED, where trytond itself uses REPEATABLE READ: a
statement that finds a row changed reads it again instead of failing.

Statements whose loss in a crash of the server does no harm do not wait for the disk
(``synchronous_commit = off``, PostgreSQL's manual, "Asynchronous Commit"). A later
durable commit, such as that of a task, also makes them durable.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from trytond import backend

from .. import forks
from ..tryton_config import config
from . import connection_pool
from .driver import driver
from .errors import is_passing, leads_nowhere, translated
from .fork_gate import gate

Cursor: TypeAlias = Any

#: The default of Python's sqlite3, which trytond does not change.
_SQLITE_BUSY_TIMEOUT_MS = 5_000

#: Lets a transaction of PostgreSQL commit without waiting for the disk.
NOT_DURABLE = "SET LOCAL synchronous_commit = off"

_local = threading.local()


def is_memory(database_name: str) -> bool:
    """Whether the database is SQLite's in memory, with one connection for everybody."""
    return database_name == ":memory:"


def cursor_of(transaction: Any) -> Cursor:
    """A cursor for statements of the rows, within a transaction of Tryton's."""
    if backend.name == "postgresql":
        return driver().cursor(transaction.connection)
    return transaction.connection.cursor()


@contextmanager
def transaction(database_name: str, *, durable: bool = True) -> Iterator[Cursor]:
    """A short transaction of its own; committed at the end, rolled back on error.

    :param durable: whether the commit waits for the disk.
    :raises DatabaseUnavailable: the database is unreachable, or busy.
    """
    with translated(database_name), _cursor(database_name) as cursor:
        if is_memory(database_name):
            # The only connection, inside a transaction of Tryton's.
            yield cursor
            return
        if backend.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN" if durable else f"BEGIN; {NOT_DURABLE}")
        try:
            yield cursor
        except BaseException:
            # If the connection is lost, the first error is the one to raise.
            with suppress(Exception):
                cursor.execute("ROLLBACK")
            raise
        else:
            cursor.execute("COMMIT")


@contextmanager
def autocommit(database_name: str, *, wait: bool = True) -> Iterator[Cursor]:
    """A cursor in autocommit mode.

    :param wait: whether to wait for a lock of the SQLite file. With False, a locked
        file raises DatabaseUnavailable at once: the lock may be that of the task in the
        same thread, which has written.
    :raises DatabaseUnavailable: the database is unreachable, or busy.
    """
    with translated(database_name), _cursor(database_name) as cursor:
        if wait or backend.name != "sqlite":
            yield cursor
            return
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield cursor
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {_SQLITE_BUSY_TIMEOUT_MS}")


@contextmanager
def try_lock(database_name: str, role: str) -> Iterator[bool]:
    """Try to take the lock of a role for a database, such as ``"relay"``.

    Held until the end of the context or of the process: on PostgreSQL an advisory lock,
    on SQLite a lock on a file beside the database. Yields whether the lock was taken.
    """
    if is_memory(database_name):
        yield True
    elif backend.name == "sqlite":
        cursor = _sqlite_connection(database_name).cursor()
        _, _, path = cursor.execute("PRAGMA database_list").fetchone()
        fd = os.open(f"{path}.{role}", os.O_WRONLY | os.O_CREAT, 0o666)
        # Closed in children, which would keep the lock.
        forks.own(fd)
        try:
            yield _locked(fd)
        finally:
            forks.close(fd)
    else:
        with translated(database_name), _connection(database_name) as connection:
            key = zlib.crc32(f"nereid_async.{role}".encode())
            cursor = connection.cursor()
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
            (is_held,) = cursor.fetchone()
            try:
                yield is_held
            finally:
                # The connection returns to a pool without the lock. If it is lost, the
                # server has released the lock.
                if is_held:
                    with suppress(Exception):
                        cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def close(database_name: str) -> None:
    """Close the connections of this thread, or of the pool, as before a fork."""
    if backend.name != "sqlite":
        idle = _idle.pop((os.getpid(), database_name), None)
        for connection, _ in () if idle is None else idle.connections:
            connection_pool.disconnect(database_name, connection)
        connection_pool.close(database_name)
    elif getattr(_local, "pid", None) == os.getpid():
        database = _local.databases.pop(database_name, None)
        if database is not None:
            database.close()


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _cursor(database_name: str) -> Iterator[Cursor]:
    # Closed before the gate is left: SQLite ends a statement with it that still has
    # rows.
    with (
        _connection(database_name) as connection,
        closing(connection.cursor()) as cursor,
    ):
        yield cursor


@contextmanager
def _connection(database_name: str) -> Iterator[Any]:
    """A connection in autocommit mode."""
    if backend.name == "sqlite":
        with gate.passed():
            yield _sqlite_connection(database_name)
        return
    key = os.getpid(), database_name
    idle = _idle.get(key) or _idle.setdefault(key, _Idle(_idle_max()))
    connection = _awake(database_name, idle) or connection_pool.connect(database_name)
    try:
        yield connection
    except Exception as error:
        if leads_nowhere(error):
            _forget(database_name, idle, connection)
        raise
    finally:
        if not connection.closed and connection.info.transaction_status == _NOTHING:
            idle.connections.append((connection, time.monotonic()))
        else:
            connection_pool.disconnect(database_name, connection)
        if len(idle.connections) > idle.limit:
            connection_pool.disconnect(database_name, idle.connections.pop(0)[0])


def _forget(database_name: str, idle: _Idle, connection: Any) -> None:
    """Close connections whose server is not the primary any more."""
    connection.close()
    while idle.connections:
        connection_pool.disconnect(database_name, idle.connections.pop()[0])
    connection_pool.forget_idle(database_name)


#: libpq's PQTRANS_IDLE: connected, and in no transaction.
_NOTHING = 0
#: A connection that was idle for longer is checked before its use.
_TRUSTED_S = 1.0


@dataclass(frozen=True)
class _Idle:
    """Idle connections, and since when they are idle."""

    limit: int
    connections: list[tuple[Any, float]] = field(default_factory=list)


#: Idle connections by process and database. trytond's own pool sets up and checks a
#: connection at each use, which makes five statements of one. Those of a parent process
#: are not touched: closing one would end the parent's session.
_idle: dict[tuple[int, str], _Idle] = {}


def _idle_max() -> int:
    # They are taken from trytond's pool, which needs some for itself.
    return min(8, int(config.getint("database", "maxconn", default=64)) // 4)


def _awake(database_name: str, idle: _Idle) -> Any:
    while True:
        try:
            connection, since_s = idle.connections.pop()
        except IndexError:
            return None
        if connection.closed:
            connection_pool.disconnect(database_name, connection)
            continue
        if time.monotonic() - since_s < _TRUSTED_S:
            return connection
        try:
            connection.cursor().execute("SELECT 1")
            return connection
        except Exception as error:
            connection_pool.disconnect(database_name, connection)
            if not is_passing(error):
                raise


def _sqlite_connection(database_name: str) -> Any:
    if is_memory(database_name):
        return backend.Database(database_name).connect().get_connection()
    # A connection belongs to one thread of one process.
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.databases = os.getpid(), {}
    databases = _local.databases
    if database_name not in databases:
        databases[database_name] = backend.Database(database_name).connect()
    return databases[database_name].get_connection(autocommit=True)
