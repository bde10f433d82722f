"""Connections beside Tryton's transaction: for claims, leases, progress and polls.

What they write commits at once, whatever the transaction around the caller does. On
PostgreSQL they run at READ COMMITTED, where trytond itself uses REPEATABLE READ: a
statement that meets a row somebody just changed looks at it again instead of failing.

What may be lost when the server itself crashes does not wait for its disk
(``synchronous_commit = off``, PostgreSQL's manual, "Asynchronous Commit"): a durable
commit that comes later, such as that of a task, takes along what was written before.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from trytond import backend
from trytond.config import config

from .. import forks
from . import connection_pool
from .errors import is_passing, leads_nowhere, translated

Cursor: TypeAlias = Any

#: What Python's sqlite3 sets, and trytond leaves.
_SQLITE_BUSY_TIMEOUT_MS = 5_000

#: Begins a transaction of PostgreSQL that does not wait for its disk.
NOT_DURABLE = "SET LOCAL synchronous_commit = off"

_local = threading.local()


def is_memory(database_name: str) -> bool:
    """Whether the database is one shared connection, with nothing beside it."""
    return database_name == ":memory:"


@contextmanager
def transaction(database_name: str, *, durable: bool = True) -> Iterator[Cursor]:
    """A short transaction of its own; committed at the end, rolled back on error.

    :param durable: whether to wait until it survives a crash of the server.
    :raises DatabaseUnavailable: the database does not do it now.
    """
    with translated(database_name), _connection(database_name) as connection:
        cursor = connection.cursor()
        if is_memory(database_name):
            # The one connection there is, in the middle of somebody's transaction.
            yield cursor
            return
        if backend.name == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN" if durable else f"BEGIN; {NOT_DURABLE}")
        try:
            yield cursor
        except BaseException:
            # On a connection that is gone, what broke it is what to tell.
            with suppress(Exception):
                cursor.execute("ROLLBACK")
            raise
        else:
            cursor.execute("COMMIT")


@contextmanager
def autocommit(database_name: str, *, wait: bool = True) -> Iterator[Cursor]:
    """A cursor of which every statement commits by itself.

    :param wait: whether to wait for a lock on a SQLite file; without, a statement
        that meets one fails at once with DatabaseUnavailable. (A task that has
        written holds the whole file: waiting for it would be waiting for oneself.)
    :raises DatabaseUnavailable: the database does not do it now.
    """
    with translated(database_name), _connection(database_name) as connection:
        cursor = connection.cursor()
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
    """Whether nobody else in the whole system is in this role for the database now.

    Held until the end of the context, or of the process. On PostgreSQL by an
    advisory lock, on SQLite by a lock on a file beside the database's.
    """
    if is_memory(database_name):
        yield True
    elif backend.name == "sqlite":
        cursor = _sqlite_connection(database_name).cursor()
        _, _, path = cursor.execute("PRAGMA database_list").fetchone()
        fd = os.open(f"{path}.{role}", os.O_WRONLY | os.O_CREAT, 0o666)
        # A child that had it would keep the lock.
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
                # The connection goes back to a pool: it must not take it along. On
                # one that is gone the server has let go of it.
                if is_held:
                    with suppress(Exception):
                        cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def close(database_name: str) -> None:
    """Close the connections of this thread, or of the pool, as before a fork."""
    if backend.name != "sqlite":
        _idle.pop((os.getpid(), database_name), None)
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
def _connection(database_name: str) -> Iterator[Any]:
    """A connection on which every statement commits by itself."""
    if backend.name == "sqlite":
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
    """Close what leads to a server that is not the primary any more."""
    connection.close()
    while idle.connections:
        connection_pool.disconnect(database_name, idle.connections.pop()[0])
    connection_pool.forget_idle(database_name)


#: libpq's PQTRANS_IDLE: connected, and in no transaction.
_NOTHING = 0
#: A connection that waited for longer is asked whether it is still there.
_TRUSTED_S = 1.0


@dataclass(frozen=True)
class _Idle:
    """Connections that wait for their next use, and since when."""

    limit: int
    connections: list[tuple[Any, float]] = field(default_factory=list)


#: By process and database: trytond's own pool sets up and asks each connection anew,
#: which makes five statements of one. Those of a parent process stay untouched here;
#: to close one would end the parent's session.
_idle: dict[tuple[int, str], _Idle] = {}


def _idle_max() -> int:
    # They count in trytond's pool, and must not leave it without connections.
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
    # A connection belongs to one thread, and does not outlive a fork.
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.databases = os.getpid(), {}
    databases = _local.databases
    if database_name not in databases:
        databases[database_name] = backend.Database(database_name).connect()
    return databases[database_name].get_connection(autocommit=True)
