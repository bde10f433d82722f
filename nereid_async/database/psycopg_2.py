"""psycopg 2, and trytond 7.0's pool of its connections; see :class:`.driver.Driver`.

The one place that uses the inside of that pool.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psycopg2
from trytond import backend

from .errors import is_passing

#: How long to wait for a connection if the pool has none left, and between two tries.
_POOL_WAIT_S, _POOL_PAUSE_S = 10.0, 0.05


def keep(database_name: str, number: int) -> None:
    """Let the pool keep ``number`` connections open."""
    pool = _pool(database_name)
    pool.minconn = max(pool.minconn, number)


def close(database_name: str) -> None:
    """Close all connections."""
    try:
        database = backend.Database(database_name)
    except backend.DatabaseOperationalError:
        # A pool connects when it is made: there is none, and nothing to close.
        return
    database.close()


def connect(database_name: str) -> Any:
    """Take a connection from the pool."""
    pool = _pool(database_name)
    while True:
        may_be_gone = bool(pool._pool)
        connection = _taken(pool)
        try:
            _set_up(connection)
            return connection
        except Exception as error:
            disconnect(database_name, connection)
            if not (may_be_gone and is_passing(error)):
                raise


def _taken(pool: Any) -> Any:
    deadline_s = time.monotonic() + _POOL_WAIT_S
    while True:
        try:
            return pool.getconn()
        except Exception as error:
            is_empty = type(error).__name__ == "PoolError" and not pool.closed
            if not is_empty or time.monotonic() >= deadline_s:
                raise
        time.sleep(_POOL_PAUSE_S)


def _set_up(connection: Any) -> None:
    """Set autocommit and READ COMMITTED, and check that the connection is alive.

    Both are the server's defaults, usually. Nothing is set without need: a pooler may
    share the session with other clients.
    """
    connection.set_session("DEFAULT", readonly="DEFAULT", autocommit=False)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW default_transaction_isolation")
    if cursor.fetchone() != ("read committed",):
        connection.set_session("READ COMMITTED")


def connect_anew(database_name: str) -> Any:
    """Connect past the pool, which has the former configuration."""
    return psycopg2.connect(**backend.Database._connection_params(database_name))


def disconnect(database_name: str, connection: Any) -> None:
    """Close a connection. Never raises."""
    # The pool may be closed, or another one that does not know the connection.
    with suppress(Exception):
        _pool(database_name).putconn(connection, close=True)
    with suppress(Exception):
        connection.close()


def forget_idle(database_name: str) -> None:
    """Close the pool's idle connections. Never raises."""
    with suppress(Exception):
        pool = _pool(database_name)
        while pool._pool:
            pool.putconn(pool.getconn(), close=True)


def is_lost(error: BaseException) -> bool:
    """False: a rollback without a connection is an InterfaceError, another class."""
    return False


def discard(transaction: Any) -> None:
    """Let trytond close the connection of a transaction when that ends."""
    transaction.close = True


def cursor(connection: Any) -> Any:
    """A cursor as trytond makes them."""
    return connection.cursor()


def hear(connection: Any) -> list[str]:
    """Take the notifications that have arrived; their payloads."""
    connection.poll()
    heard = [it.payload for it in connection.notifies]
    connection.notifies.clear()
    return heard


def connect_through_gate() -> None:
    """Do nothing: the pools connect under their locks."""


def locks() -> list[Any]:
    """Those of trytond and of its pools."""
    return [backend.Database._lock, *(it._lock for it in _pools())]


def open_connections() -> list[Any]:
    """Those of all pools."""
    return [
        connection
        for pool in _pools()
        for connection in (*pool._pool, *pool._used.values())
    ]


def _pools() -> list[Any]:
    return [
        database._connpool
        for databases in list(backend.Database._databases.values())
        for database in list(databases.values())
    ]


def _pool(database_name: str) -> Any:
    return backend.Database(database_name)._connpool
