"""Cancels SQL statements that run in another thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trytond import backend

logger = logging.getLogger(__name__)

#: How many of its own instructions SQLite executes between two looks at whether the
#: statement is to go on: some 50 ms.
_SQLITE_INSTRUCTIONS = 500_000
#: libpq's PQTRANS_ACTIVE: a statement runs.
_ACTIVE = 1


@contextmanager
def cancelled_when(condition: Callable[[], bool], connection: Any) -> Iterator[None]:
    """Cancel a statement of this thread while a condition holds; on SQLite only.

    Not by ``interrupt()``: as long as a cursor has rows left, that cancels all further
    statements as well, and so the rollback.
    """
    if backend.name != "sqlite":
        yield
        return
    connection.set_progress_handler(condition, _SQLITE_INSTRUCTIONS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def runs_statement(connection: Any) -> bool:
    """Whether a connection of PostgreSQL runs a statement now, in whatever thread."""
    if backend.name != "postgresql" or connection.closed:
        return False
    return bool(connection.info.transaction_status == _ACTIVE)


def cancel(connection: Any) -> None:
    """Cancel the statement of a connection to PostgreSQL. Never raises.

    Asks the server by a connection of its own, so it may take some time. The statement
    fails then, and the transaction with it.
    """
    try:
        connection.cancel()
    except Exception as error:
        logger.info("a statement was not cancelled: %s", error)
