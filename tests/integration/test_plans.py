"""What the statements read does not grow with what is done, or waits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from devtools.plans import ExplainedRows, add_done, add_due
from nereid_async.database import connections
from nereid_async.rows import TaskRows

DONE = DUE = 5_000
#: Pages that a search of the index reads at most, of hundreds: it is made once for each
#: priority, and reads the rows that are taken.
PAGES = 80
ID = "00000000-0000-4000-8000-000000000000"

STATEMENTS: dict[str, Callable[[TaskRows], Any]] = {
    "claim_ids": lambda rows: rows.claim_ids([ID], 60),
    "claim_due": lambda rows: rows.claim_due(["q"], 10, 60, True),
    "free_expired": lambda rows: rows.free_expired(),
    "end_leases": lambda rows: rows.end_leases(),
    "next_due_s": lambda rows: rows.next_due_s(["q"], True),
    "pending_queues": lambda rows: rows.pending_queues(),
    "running_tasks": lambda rows: rows.running_tasks(["q"]),
    "unsent": lambda rows: rows.unsent(100, 10, 900),
    "take_back_sent": lambda rows: rows.take_back_sent(100),
    "set_back": lambda rows: rows.set_back([ID]),
    "send_soon": lambda rows: rows.send_soon(["q"]),
    "forgotten_queues": lambda rows: rows.forgotten_queues(60, 15),
    "forgotten": lambda rows: rows.forgotten("q", 100, 60),
    "awaited": lambda rows: rows.awaited("q"),
    "reopen": lambda rows: rows.reopen("q", 100, 15),
    "mark_resent": lambda rows: rows.mark_resent([ID], 60),
    "mark_sent": lambda rows: rows.mark_sent([ID]),
    "status": lambda rows: rows.status(ID),
    "overview": lambda rows: rows.overview(),
}


@pytest.fixture
def done_database(cloned_database: str) -> str:
    with connections.autocommit(cloned_database) as cursor:
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
        # Queues and workers are few; those tables are read whole.
        assert not re.search(r"Seq Scan on (?!async_queue|async_worker)", plan), plan


@pytest.fixture
def due_database(cloned_database: str) -> str:
    with connections.autocommit(cloned_database) as cursor:
        for queue in ("first", "second"):
            add_due(cursor, DUE, queue)
            # What is more urgent, and not due yet, is passed over at once.
            add_due(cursor, 4 * DUE, queue, priority=0, hours_ago=-1)
            add_due(cursor, DUE, queue, priority=9)
        add_due(cursor, 100, "second", web=False)
        cursor.execute("ANALYZE async_task")
    return cloned_database


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("web", [True, False])
@pytest.mark.parametrize("queues", [["second"], ["first", "second", "none"]])
def test_a_claim_reads_little_more_than_it_takes(
    due_database: str, queues: list[str], web: bool
) -> None:
    rows = ExplainedRows(due_database, analyze=True)
    assert len(rows.claim_due(queues, 10, 60, web)) == 10
    assert rows.most_read <= 20
    assert rows.most_pages <= PAGES
    rows.plans.clear()
    assert rows.pending_queues() == ["first", "second"]
    assert rows.next_due_s(queues, web) == 0
    assert rows.most_read <= 10 * len(queues)
    assert rows.most_pages <= PAGES


@pytest.mark.backends("postgresql")
def test_a_claim_across_priorities_reads_what_it_takes(cloned_database: str) -> None:
    with connections.autocommit(cloned_database) as cursor:
        for priority in range(10):
            add_due(cursor, 6, "q", priority=priority)
            add_due(cursor, 2 * DUE, "q", priority=priority, hours_ago=-1)
        cursor.execute("ANALYZE async_task")
    rows = ExplainedRows(cloned_database, analyze=True)
    assert len(rows.claim_due(["q"], 20, 60, True)) == 20
    assert rows.most_read <= 20
    assert rows.most_pages <= PAGES
