"""psycopg 3, and trytond 8.0's pool of its connections; see :class:`.driver.Driver`.

The pool connects in threads of its own. While a server is away it waits, longer after
each try, and lets who asks for a connection wait for half a minute. So connections
besides Tryton's transactions are made past it.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from typing import Any

import psycopg
import psycopg_pool
from trytond import backend

from ..tryton_config import config
from .fork_gate import gate

#: How long to wait for a thread of a pool that is closed: it may be connecting.
_POOL_CLOSE_S = 1.0


class Cursor(psycopg.ClientCursor[Any]):
    """Takes statements as psycopg 2 does: several at once, with parameters."""

    def execute(self, *arguments: Any, **options: Any) -> Cursor:
        """Execute statements; the result is that of the last one."""
        super().execute(*arguments, **options)
        while self.nextset():
            pass
        return self


class Connection(psycopg.Connection[Any]):
    """Is known as soon as it has a socket, as far as forks can see."""

    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> Connection:
        """Connect, while no thread forks."""
        with gate.passed():
            return super().connect(*arguments, **options)


class Pool(psycopg_pool.ConnectionPool[Connection]):
    """Connects as :class:`Connection` does, in its threads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, connection_class=Connection, **options)


def keep(database_name: str, number: int) -> None:
    """Let pools keep ``number`` connections open; trytond resizes them."""
    most = config.getint("database", "maxconn", default=64)
    least = config.getint("database", "minconn", default=1)
    config.set("database", "minconn", str(max(least, min(number, most))))


def close(database_name: str) -> None:
    """Close the pool, if there is one, and end its threads."""
    with backend.Database._lock:
        databases = backend.Database._databases[os.getpid()]
        database = databases.pop(database_name, None)
    if database is not None:
        database._connpool.close(timeout=_POOL_CLOSE_S)


def connect(database_name: str) -> Any:
    """Connect past the pool."""
    try:
        connection = connect_anew(database_name)
    except psycopg.OperationalError:
        # Its pause between two tries may be minutes by the time the server is back.
        forget_idle(database_name)
        raise
    try:
        connection.autocommit = True
        cursor = connection.execute("SHOW default_transaction_isolation")
        if cursor.fetchone() != ("read committed",):
            connection.execute("SET default_transaction_isolation = 'read committed'")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_anew(database_name: str) -> Any:
    """Connect past the pool, which may have the former configuration."""
    parameters = backend.Database._connection_params(database_name)
    return Connection.connect(**parameters, cursor_factory=Cursor)


def disconnect(database_name: str, connection: Any) -> None:
    """Close a connection. Never raises."""
    with suppress(Exception):
        connection.close()


def forget_idle(database_name: str) -> None:
    """Close the pool: the next transaction makes a new one. Never raises.

    A connection in use is closed when it is returned.
    """
    with suppress(Exception):
        close(database_name)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is closed, or there was none, or the server stops."""
    return isinstance(error, psycopg.OperationalError) and (
        # Without one it was not the server that spoke.
        error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    )


def discard(transaction: Any) -> None:
    """Let the pool close the connection of a transaction when that ends."""
    # As after its longest life, see psycopg_pool's `max_lifetime`.
    transaction.connection._expire_at = 0.0


def cursor(connection: Any) -> Any:
    """A cursor that binds parameters here, where trytond's lets the server do it."""
    return Cursor(connection)


def hear(connection: Any) -> list[str]:
    """Take the notifications that have arrived; their payloads."""
    return [it.payload for it in connection.notifies(timeout=0)]


def connect_through_gate() -> None:
    """Let the pools that trytond makes from now on be ours."""
    from trytond.backend.postgresql import database

    database.ConnectionPool = Pool


def locks() -> list[Any]:
    """That of trytond. A child makes a pool of its own."""
    return [backend.Database._lock]


def open_connections() -> list[Any]:
    """All there are: a pool does not know those in use."""
    # Not isinstance(), which asks proxies of werkzeug for what they stand for.
    return [it for it in gc.get_objects() if issubclass(type(it), psycopg.Connection)]
