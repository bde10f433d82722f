"""Access to trytond's pool of PostgreSQL connections, and what it lacks for workers.

The one place that uses the inside of the pool.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from contextlib import suppress
from typing import Any

from trytond import backend
from trytond.transaction import Transaction

from .errors import is_passing, leads_nowhere

#: How long to wait for a connection if the pool has none left, and between two tries.
_POOL_WAIT_S, _POOL_PAUSE_S = 10.0, 0.05

#: How long a fork waits for threads that are just connecting.
_FORK_WAIT_S = 2.0


def keep(database_name: str, number: int) -> None:
    """Let the pool keep ``number`` connections open.

    By default it keeps ``[database] minconn``, which is 1, and closes any other one
    after each transaction.
    """
    if backend.name == "postgresql":
        pool = _pool(database_name)
        pool.minconn = max(pool.minconn, number)


def close(database_name: str) -> None:
    """Close all connections, as before a fork. Also while the server is away."""
    if backend.name != "postgresql":
        return
    try:
        database = backend.Database(database_name)
    except backend.DatabaseOperationalError:
        # A pool connects when it is made: there is none, and nothing to close.
        return
    database.close()


def holds_tryton(database_name: str) -> bool:
    """Whether Tryton is installed in a database; works on a standby, too.

    :raises Exception: the driver's error if the database is unreachable.
    """
    database = backend.Database(database_name).connect()
    if backend.name != "postgresql":
        return bool(database.test())
    connection = connect(database_name)
    try:
        return bool(database._test(connection))
    finally:
        disconnect(database_name, connection)


# -- connections besides Tryton's transactions ------------------------------------


def connect(database_name: str) -> Any:
    """Take a connection in autocommit mode from the pool of PostgreSQL.

    Without a server it fails at once, whereas trytond's own ``get_connection`` waits
    for a minute without a word.

    :raises Exception: the driver's error if there is no connection to be had.
    """
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


def disconnect(database_name: str, connection: Any) -> None:
    """Close a connection. Never raises."""
    # The pool may be closed, or another one that does not know the connection.
    with suppress(Exception):
        _pool(database_name).putconn(connection, close=True)
    with suppress(Exception):
        connection.close()


def forget_idle(database_name: str) -> None:
    """Close idle connections, since their server is not the primary any more."""
    with suppress(Exception):
        pool = _pool(database_name)
        while pool._pool:
            pool.putconn(pool.getconn(), close=True)


# -- Tryton's transactions ---------------------------------------------------------


def start_transaction(database_name: str, user: int, **options: Any) -> Any:
    """``Transaction().start`` without its leak of connections on a standby.

    trytond does not return a connection to the pool when a standby refuses to write.
    """
    try:
        return Transaction().start(database_name, user, **options)
    except Exception as error:
        if backend.name == "postgresql":
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if frame.f_code.co_name == "get_connection":
                    disconnect(database_name, frame.f_locals.get("conn"))
            if leads_nowhere(error):
                forget_idle(database_name)
        raise


# -- processes that a task forks ---------------------------------------------------


class AtFork:
    """Handles connections when this process forks; see :mod:`.forks`."""

    def __init__(self) -> None:
        self._local = threading.local()

    def before(self) -> None:
        """Keep other threads from connecting, which the child would not see."""
        self._local.held = held = []
        if backend.name == "postgresql":
            for lock in (backend.Database._lock, *(it._lock for it in _pools())):
                # If the server is away, connecting takes longer: the fork goes on.
                if lock.acquire(timeout=_FORK_WAIT_S):
                    held.append(lock)

    def in_parent(self) -> None:
        """Let other threads connect again."""
        for lock in reversed(self._local.held):
            lock.release()

    def in_child(self) -> None:
        """Cut the child off from all connections of the parent.

        Their descriptors are redirected to /dev/null, so that a use raises an error.
        Closing a connection would end the parent's session, and could wait for ever for
        a lock that another thread held at the fork. (SQLite's manual says not to touch
        an inherited connection.)
        """
        if backend.name != "postgresql":
            return
        backend.Database._lock = threading.RLock()
        null_fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for pool in _pools():
            for connection in (*pool._pool, *pool._used.values()):
                with suppress(Exception):
                    os.dup2(null_fd, connection.fileno(), inheritable=False)
        os.close(null_fd)


def _pools() -> list[Any]:
    """All pools of this process; in a child, the parent's."""
    return [
        database._connpool
        for databases in list(backend.Database._databases.values())
        for database in list(databases.values())
    ]


def _pool(database_name: str) -> Any:
    return backend.Database(database_name)._connpool
