"""Of the rows with one key, one waits; the unique index decides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from trytond import backend
from trytond.transaction import Transaction

from devtools.messages import message
from nereid_async.database import connections
from nereid_async.messages.outcome import Failure, Outcome, State
from nereid_async.rows import Placed, Row, TaskRows, UniqueKey
from tests.helpers import query, wait_until

KEPT = UniqueKey("k")
REPLACED = UniqueKey("k", replaces=True)
TO_THE_FINISH = UniqueKey("k", "finish")
FAILED = Outcome(failure=Failure("E", "m"))


def row_of(key: UniqueKey, text: str = "text", **fields: Any) -> Row:
    return Row(message(key="k", **fields), text, key)


def defer(rows: TaskRows, key: UniqueKey = KEPT, **fields: Any) -> str:
    row = row_of(key, **fields)
    rows.insert_apart([row], notify=True)
    return row.message.id


@contextmanager
def asking(rows: TaskRows) -> Iterator[Any]:
    """The cursor of a transaction that has seen the rows as they are."""
    with Transaction().start(rows.database, 1) as transaction:
        cursor = connections.cursor_of(transaction)
        rows.waiting(cursor, ["k"])
        yield cursor


def waiting(rows: TaskRows, key: str = "k") -> str | None:
    with connections.autocommit(rows.database) as cursor:
        return rows.waiting(cursor, [key, "other"]).get(key)


def claim(rows: TaskRows, task_id: str) -> Any:
    return rows.claim_ids([task_id], 60)[task_id]


def row(rows: TaskRows, task_id: str, columns: str) -> tuple[Any, ...]:
    (found,) = query(
        rows.database, f"SELECT {columns} FROM async_task WHERE uuid = %s", task_id
    )
    return found


def fail(rows: TaskRows, key: UniqueKey = KEPT) -> str:
    task_id = defer(rows, key)
    rows.finish_apart(claim(rows, task_id), FAILED, 60)
    return task_id


def test_a_task_has_its_key_until_it_starts(rows: TaskRows) -> None:
    task_id = defer(rows)
    assert waiting(rows) == task_id
    assert waiting(rows, "another") is None
    held = claim(rows, task_id)
    assert waiting(rows) is None
    later = defer(rows)
    rows.release(held, State.PENDING, None, 1)
    assert waiting(rows) == later
    rows.cancel(later)
    assert waiting(rows) is None


def test_or_until_its_finish(rows: TaskRows) -> None:
    task_id = defer(rows, TO_THE_FINISH)
    held = claim(rows, task_id)
    rows.release(held, State.PENDING, None, 1)
    assert waiting(rows) == task_id
    rows.finish_apart(claim(rows, task_id), FAILED, 60)
    assert waiting(rows) is None


def test_a_second_row_of_a_key_makes_the_transaction_run_again(rows: TaskRows) -> None:
    """Also where the first row was written after the transaction has looked."""
    with pytest.raises(backend.DatabaseOperationalError), asking(rows) as cursor:
        first = defer(rows)
        rows.insert(cursor, [Row(message(), "plain"), row_of(KEPT)], True)
    with pytest.raises(backend.DatabaseOperationalError), asking(rows) as cursor:
        rows.insert(cursor, [row_of(KEPT)], True)
    assert waiting(rows) == first
    assert query(rows.database, "SELECT count(*) FROM async_task") == [(1,)]


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("meanwhile", ["claimed", "cancelled"])
def test_what_has_started_swallows_nothing(
    rows: TaskRows, replaces: bool, meanwhile: str
) -> None:
    """The transaction runs again, and finds none that waits."""
    task_id = defer(rows)
    with pytest.raises(backend.DatabaseOperationalError), asking(rows) as cursor:
        if meanwhile == "claimed":
            claim(rows, task_id)
        else:
            rows.cancel(task_id)
        if replaces:
            rows.replace(cursor, row_of(REPLACED, id=task_id), True)
        else:
            rows.keep(cursor, task_id, True)


@pytest.mark.backends("postgresql")
def test_a_kept_task_starts_after_the_commit_of_those_who_keep_it(
    rows: TaskRows,
) -> None:
    task_id = defer(rows)
    with asking(rows) as cursor:
        rows.keep(cursor, task_id, True)
        assert rows.claim_due(["q"], 1, 60, True) == []
        with Transaction().new_transaction() as other:
            rows.keep(connections.cursor_of(other), task_id, False)
        # A message of SQS waits for the commit.
        claims: list[Any] = []
        worker = threading.Thread(target=lambda: claims.append(claim(rows, task_id)))
        worker.start()
        locked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: query(rows.database, locked) != [(0,)], 30)
        assert claims == []
    worker.join()
    assert [it.id for it in claims] == [task_id]


def test_a_task_becomes_the_call_that_replaces_it(rows: TaskRows) -> None:
    task_id = defer(rows, queue="a", delay_s=60, group="g", web=None)
    made = row_of(REPLACED, "new", id=task_id, queue="b", delay_s=5, priority=2, user=7)
    with asking(rows) as cursor:
        assert rows.replace(cursor, made, True) is State.PENDING
    columns = 'message, queue, priority, "user", key, group_name'
    assert row(rows, task_id, columns) == ("new", "b", 2, 7, "k", None)
    assert 3 < (rows.free_in_s(task_id) or 0) <= 5
    assert waiting(rows) == task_id


@pytest.mark.parametrize(
    ("queue", "delay_s", "stays"),
    [("q", 60, True), ("q", 90, True), ("q", 5, False), ("other", 90, False)],
)
def test_what_was_sent_is_sent_again_if_its_message_comes_too_late(
    rows: TaskRows, queue: str, delay_s: float, stays: bool
) -> None:
    task_id = defer(rows, delay_s=60)
    rows.mark_sent([task_id])
    made = row_of(REPLACED, id=task_id, queue=queue, delay_s=delay_s)
    with asking(rows) as cursor:
        state = rows.replace(cursor, made, False)
    assert state is (State.SENT if stays else State.PENDING)


def test_in_a_transaction_apart_a_conflict_keeps_or_replaces(rows: TaskRows) -> None:
    def place(key: UniqueKey, text: str) -> Placed:
        own = message(key="k").id
        return rows.place_apart(
            key, own, lambda task_id: row_of(key, text, id=task_id), True
        )

    first = place(KEPT, "first")
    assert first.state is State.PENDING
    assert place(KEPT, "kept") == Placed(first.id, None)
    assert row(rows, first.id, "message") == ("first",)
    assert place(REPLACED, "last") == Placed(first.id, State.PENDING)
    assert row(rows, first.id, "message") == ("last",)
    claim(rows, first.id)
    assert place(REPLACED, "another").id != first.id


def test_a_retried_task_takes_its_key_again(rows: TaskRows) -> None:
    failed = fail(rows)
    assert rows.have_keys_of([failed]) == rows.have_keys_of([]) == {}
    assert rows.retry_failed([failed]) == [failed]
    assert waiting(rows) == failed


@pytest.mark.parametrize("key", [KEPT, TO_THE_FINISH])
def test_a_failed_task_whose_key_waits_stays_failed(
    rows: TaskRows, key: UniqueKey
) -> None:
    failed, again = fail(rows, key), fail(rows, key)
    plain = message()
    rows.insert_apart([Row(plain, "text")], notify=True)
    rows.finish_apart(claim(rows, plain.id), FAILED, 60)
    third = defer(rows, key)
    assert rows.retry_failed([failed, again, plain.id]) == [plain.id]
    assert rows.have_keys_of([failed, again]) == {failed: third, again: third}
    rows.cancel(third)
    # Of the two, one runs again.
    (runs,) = rows.retry_failed([failed, again])
    assert rows.have_keys_of([failed, again]).popitem()[1] == runs


def test_a_dead_letter_whose_key_waits_stays_one(rows: TaskRows) -> None:
    failed = fail(rows)
    token = rows.token_of_failed(failed)
    assert token is not None
    waits = defer(rows)
    assert not rows.retry_dead(failed, token)
    rows.cancel(waits)
    assert rows.retry_dead(failed, token)
    assert waiting(rows) == failed


@pytest.mark.backends("postgresql")
def test_a_retry_at_the_moment_of_a_deferral(rows: TaskRows) -> None:
    failed = fail(rows)
    again: list[list[str]] = []
    admin = threading.Thread(target=lambda: again.append(rows.retry_failed([failed])))
    with asking(rows) as cursor:
        rows.insert(cursor, [row_of(KEPT)], True)
        admin.start()
        locked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: query(rows.database, locked) != [(0,)], 30)
    admin.join()
    assert again == [[]]
