"""Access to trytond's pool of PostgreSQL connections, and what it lacks for workers."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from contextlib import suppress
from typing import Any

from trytond import backend
from trytond.transaction import Transaction

from .driver import driver
from .errors import leads_nowhere
from .fork_gate import gate

logger = logging.getLogger(__name__)

#: How long a fork waits for threads that are just connecting, and for statements of
#: others on SQLite: one may wait, asleep, for the lock that the task itself holds.
_FORK_WAIT_S = 2.0


def keep(database_name: str, number: int) -> None:
    """Let the pool keep ``number`` connections open.

    By default it keeps ``[database] minconn``, which is 1, and closes any other one
    after each transaction.
    """
    if backend.name == "postgresql":
        driver().keep(database_name, number)


def close(database_name: str) -> None:
    """Close all connections, as before a fork. Also while the server is away."""
    if backend.name == "postgresql":
        driver().close(database_name)


def holds_tryton(database_name: str) -> bool:
    """Whether Tryton is installed in a database; works on a standby, too.

    :raises Exception: the driver's error if the database is unreachable.
    """
    if backend.name != "postgresql":
        return bool(backend.Database(database_name).connect().test())
    connection = connect(database_name)
    try:
        return bool(backend.Database._test(connection))
    finally:
        disconnect(database_name, connection)


# -- connections besides Tryton's transactions ------------------------------------


def connect(database_name: str) -> Any:
    """Take a connection to PostgreSQL in autocommit mode.

    Without a server it fails at once, whereas trytond's own ``get_connection`` waits
    for half a minute or more without a word.

    :raises Exception: the driver's error if there is no connection to be had.
    """
    return driver().connect(database_name)


def disconnect(database_name: str, connection: Any) -> None:
    """Close a connection. Never raises."""
    driver().disconnect(database_name, connection)


def forget_idle(database_name: str) -> None:
    """Close idle connections, since their server is not the primary any more."""
    driver().forget_idle(database_name)


def forget_after(database_name: str, error: BaseException) -> None:
    """Close idle connections if an error of one says that they are of no use."""
    if backend.name == "postgresql" and leads_nowhere(error):
        forget_idle(database_name)


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
            forget_after(database_name, error)
        raise


def is_lost(error: BaseException) -> bool:
    """Whether a DatabaseOperationalError is of a transaction without a connection."""
    return backend.name == "postgresql" and driver().is_lost(error)


def discard(transaction: Any) -> None:
    """Let nobody else get the connection of a transaction, once that has ended."""
    if backend.name == "postgresql":
        driver().discard(transaction)
    else:
        transaction.close = True


# -- processes that a task forks ---------------------------------------------------


class AtFork:
    """Handles connections when this process forks; see :mod:`.forks`."""

    def __init__(self) -> None:
        self._local = threading.local()
        if backend.name == "postgresql":
            driver().connect_through_gate()

    def before(self) -> None:
        """Keep other threads from connecting, which the child would not see.

        On SQLite also from our own statements: the child would wait for ever for a
        mutex that another thread held.
        """
        self._local.held = held = []
        if not gate.close(_FORK_WAIT_S):
            logger.warning(
                "a task forks while another thread uses the database for %g s and "
                "longer: the child may hang, or keep a connection open",
                _FORK_WAIT_S,
            )
        if backend.name == "postgresql":
            for lock in driver().locks():
                # If the server is away, connecting takes longer: the fork goes on.
                if lock.acquire(timeout=_FORK_WAIT_S):
                    held.append(lock)

    def in_parent(self) -> None:
        """Let other threads connect again."""
        for lock in reversed(self._local.held):
            lock.release()
        gate.open()

    def in_child(self) -> None:
        """Cut the child off from all connections of the parent.

        Their descriptors are redirected to /dev/null, so that a use raises an error.
        Closing a connection would end the parent's session, and could wait for ever for
        a lock that another thread held at the fork. (SQLite's manual says not to touch
        an inherited connection.)
        """
        gate.reset()
        if backend.name != "postgresql":
            return
        backend.Database._lock = threading.RLock()
        null_fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for connection in driver().open_connections():
            with suppress(Exception):
                os.dup2(null_fd, connection.fileno(), inheritable=False)
        os.close(null_fd)
