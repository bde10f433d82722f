"""What the statements read does not grow with what is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nereid_async import side
from nereid_async.rows import TaskRows

DONE = 5_000
ID = "00000000-0000-4000-8000-000000000000"

STATEMENTS: dict[str, Callable[[TaskRows], Any]] = {
    "claim_ids": lambda rows: rows.claim_ids([ID], 60),
    "claim_due": lambda rows: rows.claim_due(["q"], 10, 60, True),
    "claim_expired": lambda rows: rows.claim_expired(["q"], 10, 60, True),
    "end_leases": lambda rows: rows.end_leases(),
    "next_due_s": lambda rows: rows.next_due_s(["q"], True),
    "unsent": lambda rows: rows.unsent(100, 10, 900),
    "forgotten": lambda rows: rows.forgotten(100, 60),
    "mark_sent": lambda rows: rows.mark_sent([ID]),
    "status": lambda rows: rows.status(ID),
}


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
        super()._execute(cursor, f"EXPLAIN {statement}", parameters)
        self.plans.append("\n".join(line for (line,) in cursor.fetchall()))
        super()._execute(cursor, statement, parameters, durable=durable)


@pytest.fixture
def done_database(cloned_database: str) -> str:
    with side.autocommit(cloned_database) as cursor:
        cursor.execute(
            'INSERT INTO async_task (uuid, name, queue, web, state, "user", '
            "create_date, deferred_at, due_at, finished_at, expires_at, message) "
            "SELECT gen_random_uuid(), 'task', 'q', false, 'done', 1, at, at, at, at, "
            "at, repeat('x', 300) FROM (SELECT now() - n * INTERVAL '1 second' AS at "
            "FROM generate_series(1, %s) n) done",
            [DONE],
        )
        cursor.execute(
            "INSERT INTO async_run (uuid, token, attempt, create_date) "
            "SELECT uuid, 'token', 1, create_date FROM async_task"
        )
        cursor.execute("ANALYZE async_task")
        cursor.execute("ANALYZE async_run")
    return cloned_database


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_what_is_done(done_database: str, name: str) -> None:
    rows = ExplainedRows(done_database)
    STATEMENTS[name](rows)
    assert rows.plans
    for plan in rows.plans:
        assert "Seq Scan" not in plan, plan
