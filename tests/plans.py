"""Rows of tasks that are done, and what PostgreSQL plans to read beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nereid_async import side
from nereid_async.rows import TaskRows


def add_done(cursor: side.Cursor, number: int, queue: str) -> None:
    """Add rows of tasks that are done, one for each second that has passed."""
    cursor.execute(
        'INSERT INTO async_task (uuid, name, queue, web, state, "user", '
        "create_date, deferred_at, due_at, finished_at, expires_at, message) "
        "SELECT gen_random_uuid(), 'some.model.method', %s, false, 'done', 1, at, at, "
        "at, at, at, repeat('x', 300) FROM "
        "(SELECT now() - n * INTERVAL '1 second' AS at "
        "FROM generate_series(1, %s) n) done",
        [queue, number],
    )
    cursor.execute(
        "INSERT INTO async_run (uuid, token, attempt, create_date) "
        "SELECT uuid, 'token', 1, create_date FROM async_task"
    )


class ExplainedRows(TaskRows):
    """Keeps the plans of its statements besides."""

    def __init__(self, database: str) -> None:
        super().__init__(database)
        self.plans: list[str] = []

    def _execute(
        self,
        cursor: side.Cursor,
        statement: str,
        parameters: Sequence[Any],
        *,
        durable: bool = True,
    ) -> None:
        super()._execute(cursor, f"EXPLAIN (COSTS OFF) {statement}", parameters)
        self.plans.append("\n".join(line for (line,) in cursor.fetchall()))
        super()._execute(cursor, statement, parameters, durable=durable)
