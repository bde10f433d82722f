"""Writes statements for PostgreSQL or SQLite, and executes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trytond import backend

from ..database import connections
from ..messages.outcome_codec import OutcomeCodec
from ..queue_selection import is_ordered

#: A call, as it is read of many rows at a time: a long one is left where it is.
SHORT_TEXT = "CASE WHEN length(message) <= 262144 THEN message END"
#: PostgreSQL channel on which new rows are announced.
CHANNEL = "async_sqs"
#: Condition of tasks that may be removed: an open batch counts its members at its end.
OF_NO_OPEN_BATCH = (
    "(batch IS NULL OR NOT EXISTS (SELECT 1 FROM async_batch b "
    "WHERE b.uuid = async_task.batch AND b.state = 'running'))"
)


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
        # Not clock_timestamp(), which is volatile: no index would be used.
        placeholder="%s",
        now="(statement_timestamp() AT TIME ZONE 'UTC')",
        later="(statement_timestamp() AT TIME ZONE 'UTC' + %s * INTERVAL '1 second')",
        after="(statement_timestamp() AT TIME ZONE 'UTC' + ({}) * INTERVAL '1 second')",
        greatest="GREATEST",
        least="LEAST",
        skip_locked="FOR UPDATE SKIP LOCKED",
        # It forms one transaction with the statement that follows.
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
        for_update=skip_locked.replace(" SKIP LOCKED", ""),
        skip_locked_run=skip_locked.replace("UPDATE", "UPDATE OF r"),
        user='"user"',
        true="true",
    )


class Statements:
    """Statements on the rows of one database. Thread-safe; survives a fork.

    :param database: name of the database.
    :param outcomes: encodes outcomes; None for no encryption.
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
        """Execute a statement.

        :param durable: False saves the wait for the disk; for a statement that is a
            transaction by itself. See :func:`.database.connections.transaction`.
        """
        cursor.execute(_written(statement, self._dialect, durable), list(parameters))

    def _cancel(
        self, cursor: connections.Cursor, condition: str, parameters: Sequence[Any]
    ) -> bool:
        """Cancel the task that meets a condition; False if there is none."""
        self.execute(
            cursor,
            "UPDATE async_task SET state = 'cancelled', finished_at = {now}, "
            f"token = NULL, send_at = NULL WHERE {condition}",
            parameters,
        )
        return bool(cursor.rowcount)

    def _wake_workers(self, cursor: connections.Cursor) -> None:
        """Notify workers of new due rows at the commit; on SQLite they poll anyway."""
        if backend.name == "postgresql":
            cursor.execute(f'NOTIFY "{CHANNEL}"')

    def _wake_group(self, cursor: connections.Cursor, queue: str) -> None:
        """Wake workers at the commit: the next task of the group may run now.

        Nothing for a queue that is not ordered.
        """
        if is_ordered(queue):
            self._wake_workers(cursor)

    def _forget_runs(self, cursor: connections.Cursor, ids: Sequence[str]) -> None:
        """Remove what stands beside rows that are removed."""
        for table in ("async_run", "async_attempt"):
            self.execute(
                cursor, f"DELETE FROM {table} WHERE uuid IN ({params(ids)})", ids
            )

    def _forget_errors(
        self, cursor: connections.Cursor, row_ids: Sequence[int]
    ) -> None:
        """Remove what Tryton's users were told of failed rows that are removed."""
        origins = [f"async.task,{it}" for it in row_ids]
        if origins:
            self.execute(
                cursor,
                f"DELETE FROM ir_error WHERE origin IN ({params(origins)})",
                origins,
            )

    def _solve_errors(self, cursor: connections.Cursor, row_ids: Sequence[int]) -> None:
        """Let what Tryton's users were told of rows that run again be solved.

        Not what somebody has begun with: that is solved in the client.
        """
        origins = [f"async.task,{it}" for it in row_ids]
        self.execute(
            cursor,
            "UPDATE ir_error SET state = 'solved' WHERE state = 'open' "
            f"AND origin IN ({params(origins)})",
            origins,
        )

    def _after(self, seconds: str) -> str:
        """SQL for a time in the future.

        :param seconds: SQL expression for the number of seconds from now.
        """
        return self._dialect.after.format(seconds)

    def _seconds_between(self, earlier: str, later: str) -> str:
        if backend.name == "postgresql":
            return f"EXTRACT(EPOCH FROM {later} - {earlier})"
        return f"(julianday({later}) - julianday({earlier})) * 86400.0"


def params(values: Iterable[Any]) -> str:
    """A list of as many placeholders as there are values, for an IN condition."""
    return ", ".join("{p}" for _ in values)
