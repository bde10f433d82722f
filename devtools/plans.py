"""Rows of tasks, and what PostgreSQL reads beside those that are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nereid_async.database import connections
from nereid_async.rows import TaskRows


def add_done(cursor: connections.Cursor, number: int, queue: str) -> None:
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


def add_due(
    cursor: connections.Cursor,
    number: int,
    queue: str,
    *,
    web: bool = True,
    priority: int = 5,
    hours_ago: int = 1,
) -> None:
    """Add rows of tasks that fell due at one time, as one deferral writes them.

    :param hours_ago: since when they are due; below 0: in how many hours.
    """
    cursor.execute(
        "INSERT INTO async_task (uuid, name, queue, priority, web, state, "
        '"user", create_date, deferred_at, due_at, message) '
        "SELECT gen_random_uuid(), 'some.model.method', %s, %s, %s, 'pending', 1, at, "
        "at, at, repeat('x', 300) FROM "
        "(SELECT now() AT TIME ZONE 'UTC' - %s * INTERVAL '1 hour' AS at "
        "FROM generate_series(1, %s)) due",
        [queue, priority, web, hours_ago, number],
    )


class ExplainedRows(TaskRows):
    """Keeps the plans of its statements besides.

    :param analyze: run each of them once more for it, to tell how much it reads.
    """

    def __init__(self, database: str, analyze: bool = False) -> None:
        super().__init__(database)
        self.plans: list[str] = []
        self._options = "COSTS OFF"
        if analyze:
            self._options += ", ANALYZE, TIMING OFF, BUFFERS"

    @property
    def most_read(self) -> int:
        """How many rows the step read that read most, what it left out included.

        What a function makes, such as the numbers of the priorities, is not read.
        """
        text = "\n".join(
            line
            for plan in self.plans
            for line in plan.splitlines()
            if "Function Scan" not in line
        )
        found = re.findall(r"actual rows=([\d.]+) loops=(\d+)", text)
        removed = re.findall(r"Rows Removed by Filter: (\d+)", text)
        return max(
            *(round(float(rows) * int(loops)) for rows, loops in found),
            *map(int, removed),
        )

    @property
    def most_pages(self) -> int:
        """How many pages were read by the search of an index that read most.

        They tell of entries that were passed over, which no row tells of.
        """
        found = re.findall(
            r"Index (?:Only )?Scan.*(?:\n(?!.*(?:->|Planning)).*)*?"
            r"Buffers: shared hit=(\d+)",
            "\n".join(self.plans),
        )
        return max(map(int, found))

    def execute(
        self,
        cursor: connections.Cursor,
        statement: str,
        parameters: Sequence[Any],
        *,
        durable: bool = True,
    ) -> None:
        super().execute(cursor, f"EXPLAIN ({self._options}) {statement}", parameters)
        self.plans.append("\n".join(line for (line,) in cursor.fetchall()))
        super().execute(cursor, statement, parameters, durable=durable)
