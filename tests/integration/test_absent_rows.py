"""What the row protocol answers of rows and tables that are not there."""

from __future__ import annotations

import pytest

from devtools.messages import message
from nereid_async.messages.outcome import Outcome, State, Status
from nereid_async.queue_selection import ALL_QUEUES
from nereid_async.rows import Row, TaskRows
from tests.helpers import query, states

LONG_S = 60


def insert(rows: TaskRows, *queues: str) -> list[str]:
    """Write one row for each queue; their ids."""
    made = [message(queue) for queue in queues]
    rows.insert_apart([Row(it, f"text of {it.queue}") for it in made], notify=True)
    return [it.id for it in made]


def test_a_text(rows: TaskRows) -> None:
    (task_id,) = insert(rows, "q")
    assert rows.text_of(task_id) == "text of q"
    assert rows.text_of(message().id) is None


@pytest.mark.parametrize("column", ["result", "error"])
def test_an_outcome_that_cannot_be_read_is_gone(rows: TaskRows, column: str) -> None:
    (task_id,) = insert(rows, "q")
    held = rows.claim_ids([task_id], LONG_S)[task_id]
    rows.finish_apart(held, Outcome("x", "x"), LONG_S)
    query(rows.database, f"UPDATE async_task SET {column} = 'no JSON'")
    assert rows.status(task_id) == Status(State.DONE, gone=True)
    assert rows.status(message().id) is None


def test_the_columns_of_a_table(rows: TaskRows) -> None:
    assert {"id", "uuid", "lease_until"} <= rows.columns("async_run")
    assert rows.columns("async_nothing") == set()
    with pytest.raises(Exception, match='"'):
        rows.columns('async"run')


def test_no_statement_marks_no_rows(rows: TaskRows) -> None:
    (task_id,) = insert(rows, "q")
    rows.mark_sent([])
    rows.mark_resent([], LONG_S)
    rows.mark_unsent([])
    assert rows.extend([], LONG_S) == {}
    assert states(rows.database) == ["pending"]
    rows.mark_sent([task_id])
    rows.mark_resent([task_id], LONG_S)
    assert query(rows.database, "SELECT send_at IS NULL FROM async_task") == [(False,)]
    rows.mark_unsent([task_id])
    assert states(rows.database) == ["pending"]


def test_sent_rows_are_taken_back(rows: TaskRows) -> None:
    assert rows.take_back_sent(2) == 0
    rows.mark_sent(insert(rows, "q", "q", "q"))
    assert [rows.take_back_sent(2) for _ in range(3)] == [2, 1, 0]
    assert states(rows.database) == ["pending"] * 3


def test_what_runs_of_a_queue_and_of_all(rows: TaskRows) -> None:
    assert rows.running_tasks([ALL_QUEUES]) == []
    first, other = insert(rows, "q", "other")
    rows.claim_ids([first, other], LONG_S)
    assert [it.id for it in rows.running_tasks(["q"])] == [first]
    assert [it.id for it in rows.running_tasks([ALL_QUEUES])] == [first, other]
    assert rows.running_tasks(["none"]) == []
