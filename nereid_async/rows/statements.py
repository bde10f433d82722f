"""How statements are written for either database, and run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trytond import backend

from ..database import connections
from ..messages.outcome_codec import OutcomeCodec

#: PostgreSQL channel on which new rows are announced.
CHANNEL = "async_sqs"


@dataclass(frozen=True)
class _Dialect:
    placeholder: str
    now: str
    later: str
    after: str
    greatest: str
    least: str
    skip_locked: str
    not_durable: str


_DIALECTS = {
    "postgresql": _Dialect(
        # Not clock_timestamp(): that is volatile, and no index is searched for it.
        placeholder="%s",
        now="(statement_timestamp() AT TIME ZONE 'UTC')",
        later="(statement_timestamp() AT TIME ZONE 'UTC' + %s * INTERVAL '1 second')",
        after="(statement_timestamp() AT TIME ZONE 'UTC' + ({}) * INTERVAL '1 second')",
        greatest="GREATEST",
        least="LEAST",
        skip_locked="FOR UPDATE SKIP LOCKED",
        # With what follows it makes one transaction.
        not_durable=f"{connections.NOT_DURABLE}; ",
    ),
    "sqlite": _Dialect(
        placeholder="?",
        now="strftime('%Y-%m-%d %H:%M:%f', 'now')",
        later="strftime('%Y-%m-%d %H:%M:%f', 'now', ? || ' seconds')",
        after="strftime('%Y-%m-%d %H:%M:%f', 'now', ({}) || ' seconds')",
        greatest="max",
        least="min",
        skip_locked="",
        not_durable="",
    ),
}


@lru_cache(maxsize=256)
def _written(statement: str, dialect: _Dialect, durable: bool) -> str:
    skip_locked = dialect.skip_locked
    return ("" if durable else dialect.not_durable) + statement.format(
        p=dialect.placeholder,
        now=dialect.now,
        later=dialect.later,
        greatest=dialect.greatest,
        least=dialect.least,
        skip_locked=skip_locked,
        skip_locked_run=skip_locked.replace("UPDATE", "UPDATE OF r"),
        user='"user"',
        true="true",
    )


class Statements:
    """Statements on the rows of one database. Thread-safe; survives a fork.

    :param database: the database's name.
    :param outcomes: how they are kept; in plain text by default.
    """

    def __init__(self, database: str, outcomes: OutcomeCodec | None = None) -> None:
        self.database = database
        self._outcomes = outcomes or OutcomeCodec()
        self._dialect = _DIALECTS[backend.name]

    def execute(
        self,
        cursor: connections.Cursor,
        statement: str,
        parameters: Sequence[Any],
        *,
        durable: bool = True,
    ) -> None:
        """Run a statement.

        :param durable: as of ``transaction``; for a statement by itself only.
        """
        cursor.execute(_written(statement, self._dialect, durable), list(parameters))

    def _wake_workers(self, cursor: connections.Cursor) -> None:
        """Let the workers look for due rows at the commit; SQLite's look anyway."""
        if backend.name == "postgresql":
            cursor.execute(f'NOTIFY "{CHANNEL}"')

    def _after(self, seconds: str) -> str:
        """So many seconds from now, where the number is an expression."""
        return self._dialect.after.format(seconds)

    def _seconds_between(self, earlier: str, later: str) -> str:
        if backend.name == "postgresql":
            return f"EXTRACT(EPOCH FROM {later} - {earlier})"
        return f"(julianday({later}) - julianday({earlier})) * 86400.0"


def params(values: Iterable[Any]) -> str:
    """As many params as there are values."""
    return ", ".join("{p}" for _ in values)
