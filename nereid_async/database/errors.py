"""Which errors of a database pass by themselves.

A server that fails over, restarts, or is out of connections or disk says so by errors
of several classes of the DB-API: ``ReadOnlySqlTransaction`` is an InternalError, a
connection lost at a rollback an InterfaceError, neither an OperationalError. They are
told by SQLSTATE (PostgreSQL's manual, appendix "PostgreSQL Error Codes").
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from trytond import backend

from ..errors import DatabaseUnavailable
from ..texts import one_line

#: SQLSTATE classes: connection exception, transaction rollback, insufficient
#: resources, operator intervention, system error.
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
_NOT_SUPPORTED, _READ_ONLY = "0A000", "25006"
_PASSING_STATES = {
    # What a standby says to BEGIN ... READ WRITE, by which trytond begins. (And to a
    # plan that a change of the tables has made useless.)
    _NOT_SUPPORTED,
    _READ_ONLY,  # read_only_sql_transaction: a standby, or a server that fails over
    "25P02",  # in_failed_sql_transaction: what failed before was passing, or told
    "25P03",  # idle_in_transaction_session_timeout
    "55P03",  # lock_not_available
}
#: A standby, connection exception, a server that ends or begins, system error.
_LEADING_NOWHERE = (_NOT_SUPPORTED, _READ_ONLY, "08", "57P", "58")
#: psycopg2 tells a lost connection, and a pool without one left, without a SQLSTATE.
_PASSING_DRIVER_ERRORS = {"OperationalError", "InterfaceError", "PoolError"}
#: What SQLite calls an OperationalError though another try does not mend it.
_SQLITE_LASTING = ("no such", "syntax error", "has no column", "already exists")


def is_passing(error: BaseException) -> bool:
    """Whether the database may do the same later: it is the server, not the caller."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, sqlite3.OperationalError) and not any(
            text in str(error) for text in _SQLITE_LASTING
        )
    state = getattr(error, "pgcode", None)
    if isinstance(state, str):
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    if isinstance(error, backend.DatabaseOperationalError):
        return True
    kind = type(error)
    return kind.__module__.startswith("psycopg2") and any(
        base.__name__ in _PASSING_DRIVER_ERRORS for base in kind.__mro__
    )


def leads_nowhere(error: BaseException) -> bool:
    """Whether a connection that raised this is not worth keeping.

    Its server ends, or is a standby: the primary may be another one by now, which the
    same address leads to.
    """
    state = getattr(error, "pgcode", None)
    return isinstance(state, str) and state.startswith(_LEADING_NOWHERE)


def is_missing_table(error: BaseException) -> bool:
    """Whether it says that a table does not exist."""
    undefined_table = "42P01"
    return getattr(error, "pgcode", None) == undefined_table or (
        isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)
    )


@contextmanager
def translated(database_name: str) -> Iterator[None]:
    """Raise what passes by itself as one error of ours.

    :raises DatabaseUnavailable: in place of the driver's error.
    """
    try:
        yield
    except Exception as error:
        if not is_passing(error):
            raise
        text = f"database {database_name!r}: {one_line(error)}"
        raise DatabaseUnavailable(text) from error
