"""Tells temporary errors of a database from lasting ones.

A server that fails over, restarts, or is out of connections or disk raises errors of
several DB-API classes: ``ReadOnlySqlTransaction`` is an InternalError, a connection
lost at a rollback an InterfaceError, neither an OperationalError. So they are told by
SQLSTATE (PostgreSQL's manual, appendix "PostgreSQL Error Codes").
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from trytond import backend

from ..errors import DatabaseUnavailable
from ..texts import one_line
from ..tryton_config import unnamed_database

#: SQLSTATE classes: connection exception, transaction rollback, insufficient
#: resources, operator intervention, system error.
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
_NOT_SUPPORTED, _READ_ONLY = "0A000", "25006"
_PASSING_STATES = {
    # A standby raises it for BEGIN ... READ WRITE, with which trytond begins. (And a
    # server for a plan that a change of the tables has invalidated.)
    _NOT_SUPPORTED,
    _READ_ONLY,  # read_only_sql_transaction: a standby, or a server that fails over
    "25P02",  # in_failed_sql_transaction: the first error was temporary, or is known
    "25P03",  # idle_in_transaction_session_timeout
    "55P03",  # lock_not_available
}
#: A standby, connection exceptions, a server that stops or starts, system errors.
_LEADING_NOWHERE = (_NOT_SUPPORTED, _READ_ONLY, "08", "57P", "58")
#: The drivers' errors without SQLSTATE: lost connections, and an exhausted pool.
_PASSING_DRIVER_ERRORS = {"OperationalError", "InterfaceError", "PoolError"}
#: OperationalErrors of SQLite that another try does not mend.
_SQLITE_LASTING = ("no such", "syntax error", "has no column", "already exists")


def is_passing(error: BaseException) -> bool:
    """Whether an error is temporary: the same statement may succeed later."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, sqlite3.OperationalError) and not any(
            text in str(error) for text in _SQLITE_LASTING
        )
    state = _sqlstate(error)
    if state:
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    if isinstance(error, backend.DatabaseOperationalError):
        return True
    kind = type(error)
    return kind.__module__.startswith("psycopg") and any(
        base.__name__ in _PASSING_DRIVER_ERRORS for base in kind.__mro__
    )


def leads_nowhere(error: BaseException) -> bool:
    """Whether the connection that raised an error should be closed.

    Its server stops, or is a standby: a new connection may lead to the primary.
    """
    return _sqlstate(error).startswith(_LEADING_NOWHERE)


def is_missing_table(error: BaseException) -> bool:
    """Whether an error says that a table does not exist."""
    undefined_table = "42P01"
    return _sqlstate(error) == undefined_table or (
        isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)
    )


def _sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error of psycopg 2 or 3; empty if it has none."""
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else ""


@contextmanager
def translated(database_name: str) -> Iterator[None]:
    """Translate temporary errors of the driver.

    :raises DatabaseUnavailable: in place of a temporary error.
    """
    try:
        yield
    except Exception as error:
        if not is_passing(error):
            raise
        text = f"database {database_name!r}: {one_line(error)}{unnamed_database()}"
        raise DatabaseUnavailable(text) from error
