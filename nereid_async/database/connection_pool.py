"""trytond's pool of connections to PostgreSQL: the one place that looks inside.

What trytond leaves to its callers, or does for web servers rather than for workers.
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

#: How long to wait for one where the pool has none left, and between two looks.
_POOL_WAIT_S, _POOL_PAUSE_S = 10.0, 0.05

#: How long a fork waits for others to have connected.
_STILL_S = 2.0


def keep(database_name: str, number: int) -> None:
    """Let the pool keep so many connections.

    It keeps ``[database] minconn`` of them, 1 by default, and closes every other one
    after each transaction.
    """
    if backend.name == "postgresql":
        pool = _pool(database_name)
        pool.minconn = max(pool.minconn, number)


def close(database_name: str) -> None:
    """Let go of all connections, as before a fork."""
    if backend.name == "postgresql":
        backend.Database(database_name).close()


def holds_tryton(database_name: str) -> bool:
    """Whether a database is one of Tryton's; tells of a standby, too.

    :raises Exception: the driver's, if it cannot be asked.
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
    """A connection to PostgreSQL on which every statement commits by itself.

    An error at once if there is no server: trytond's own ``get_connection`` waits for
    one for a minute, and says nothing meanwhile.

    :raises Exception: the driver's, if there is none to be had.
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
    """Let every statement commit by itself, at READ COMMITTED; and see if it is there.

    That is how a session begins, unless the server is set up otherwise. Nothing is set
    that need not be: behind a pooler the session is somebody else's as well.
    """
    connection.set_session("DEFAULT", readonly="DEFAULT", autocommit=False)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW default_transaction_isolation")
    if cursor.fetchone() != ("read committed",):
        connection.set_session("READ COMMITTED")


def disconnect(database_name: str, connection: Any) -> None:
    """Close a connection. Never raises."""
    # The pool may have been closed, and made anew without it.
    with suppress(Exception):
        _pool(database_name).putconn(connection, close=True)
    with suppress(Exception):
        connection.close()


def forget_idle(database_name: str) -> None:
    """Close what is idle: it leads to a server that is not the primary any more."""
    with suppress(Exception):
        pool = _pool(database_name)
        while pool._pool:
            pool.putconn(pool.getconn(), close=True)


# -- Tryton's transactions ---------------------------------------------------------


def start_transaction(database_name: str, user: int, **options: Any) -> Any:
    """``Transaction().start``, for a server that may be a standby.

    trytond loses a connection of the pool each time that one refuses to write.
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
    """What becomes of connections when this process forks; see :mod:`.forks`."""

    def __init__(self) -> None:
        self._local = threading.local()

    def before(self) -> None:
        """Let nobody connect meanwhile: no child could find that connection."""
        self._local.held = held = []
        if backend.name == "postgresql":
            for lock in (backend.Database._lock, *(it._lock for it in _pools())):
                # A server that is away may take longer; then so be it.
                if lock.acquire(timeout=_STILL_S):
                    held.append(lock)

    def in_parent(self) -> None:
        """Go on."""
        for lock in reversed(self._local.held):
            lock.release()

    def in_child(self) -> None:
        """Let go of all connections of the parent.

        Without a goodbye, which would end the parent's sessions; what still uses one
        gets an error. Not by closing them: another thread may have locked one at the
        fork. (SQLite asks to leave an inherited connection alone.)
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
    """All pools of this process; in a child, those of its parent."""
    return [
        database._connpool
        for databases in list(backend.Database._databases.values())
        for database in list(databases.values())
    ]


def _pool(database_name: str) -> Any:
    return backend.Database(database_name)._connpool
