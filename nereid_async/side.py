"""Connections beside Tryton's transaction: for claims, leases, progress and polls.

What they write commits at once, whatever the transaction around the caller does. On
PostgreSQL they run at READ COMMITTED, where trytond itself uses REPEATABLE READ: a
statement that meets a row somebody just changed looks at it again instead of failing.
"""

from __future__ import annotations

import fcntl
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, TypeAlias

from trytond import backend

Cursor: TypeAlias = Any

#: What Python's sqlite3 sets, and trytond leaves.
_SQLITE_BUSY_TIMEOUT_MS = 5_000

_local = threading.local()


def is_memory(database_name: str) -> bool:
    """Whether the database is one shared connection, with nothing beside it."""
    return database_name == ":memory:"


@contextmanager
def transaction(database_name: str) -> Iterator[Cursor]:
    """A short transaction of its own; committed at the end, rolled back on error."""
    with _connection(database_name) as connection:
        cursor = connection.cursor()
        if backend.name == "sqlite" and not is_memory(database_name):
            cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor
        except BaseException:
            # On a connection that is gone, what broke it is what to tell.
            with suppress(Exception):
                connection.rollback()
            raise
        else:
            if not is_memory(database_name):
                connection.commit()


@contextmanager
def autocommit(database_name: str, *, wait: bool = True) -> Iterator[Cursor]:
    """A cursor of which every statement commits by itself.

    :param wait: whether to wait for a lock on a SQLite file; without, a statement
        that meets one fails at once with DatabaseOperationalError. (A task that has
        written holds the whole file: waiting for it would be waiting for oneself.)
    """
    with _connection(database_name, autocommit=True) as connection:
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
def alone(database_name: str, role: str) -> Iterator[bool]:
    """Whether nobody else in the whole system is in this role for the database now.

    Held until the end of the context, or of the process. On PostgreSQL by an
    advisory lock, on SQLite by a lock on a file beside the database's.
    """
    if is_memory(database_name):
        yield True
    elif backend.name == "sqlite":
        cursor = _sqlite_connection(database_name).cursor()
        _, _, path = cursor.execute("PRAGMA database_list").fetchone()
        with open(f"{path}.{role}", "a") as file:
            yield _locked(file)
    else:
        with _connection(database_name, autocommit=True) as connection:
            key = zlib.crc32(f"nereid_async.{role}".encode())
            cursor = connection.cursor()
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
            (is_alone,) = cursor.fetchone()
            try:
                yield is_alone
            finally:
                # The connection goes back to a pool: it must not take it along.
                if is_alone:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _connection(database_name: str, autocommit: bool = False) -> Iterator[Any]:
    if backend.name == "sqlite":
        yield _sqlite_connection(database_name)
        return
    database = backend.Database(database_name).connect()
    connection = database.get_connection(autocommit=True)
    try:
        connection.set_session(isolation_level="READ COMMITTED", autocommit=autocommit)
        yield connection
    finally:
        database.put_connection(connection)


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
