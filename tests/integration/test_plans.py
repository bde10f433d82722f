"""What the statements read does not grow with what is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nereid_async import side
from nereid_async.rows import TaskRows
from tests.plans import ExplainedRows, add_done

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


@pytest.fixture
def done_database(cloned_database: str) -> str:
    with side.autocommit(cloned_database) as cursor:
        add_done(cursor, DONE, "q")
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
