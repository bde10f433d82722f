"""The row protocol: of all the runs of a task, one can finish."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from trytond import backend
from trytond.transaction import Transaction

from devtools.databases import Databases
from devtools.messages import message
from nereid_async.database import connections
from nereid_async.errors import DatabaseUnavailable, LeaseLost
from nereid_async.messages.outcome import Failure, Outcome, Progress, State
from nereid_async.rows import (
    CancelRequest,
    Claim,
    FailedAttempt,
    Row,
    Starts,
    TaskRows,
)
from nereid_async.worker.delivery_row import ClaimedRow
from tests.fixtures.scripts import ConfWriter
from tests.helpers import query, states, wait_until

LONG_S, OVER_S = 60, 0
FAILED = FailedAttempt(Failure("ValueError", "x"), 1)
AT_ONCE = Starts("worker", at_once=True)


@pytest.fixture
def task_id(rows: TaskRows) -> str:
    """A task that waits."""
    made = message()
    rows.insert_apart([Row(made, "text")], notify=True)
    return made.id


def claim(rows: TaskRows, task_id: str, lease_s: float = LONG_S) -> Claim:
    return rows.claim_ids([task_id], lease_s)[task_id]


def take_over(rows: TaskRows, task_id: str) -> Claim:
    """The claim of another worker, once the lease is over."""
    claims: dict[str, Claim] = wait_until(
        lambda: rows.claim_ids([task_id], LONG_S), 10, "the lease is over"
    )
    return claims[task_id]


def finish(rows: TaskRows, held: Claim, value: Any = None) -> None:
    with Transaction().start(rows.database, 1) as transaction:
        cursor = connections.cursor_of(transaction)
        cursor.execute(
            "INSERT INTO async_test_entry (label) VALUES ('effect')",
        )
        rows.finish(cursor, held, Outcome(value, value), 60)


def effects(rows: TaskRows) -> int:
    (count,) = query(rows.database, "SELECT count(*) FROM async_test_entry")[0]
    return int(count)


def test_rows_are_written_with_the_callers_transaction(rows: TaskRows) -> None:
    made = message()
    with Transaction().start(rows.database, 1) as transaction:
        rows.insert(connections.cursor_of(transaction), [Row(made, "text")], True)
        transaction.rollback()
    assert states(rows.database) == []
    with Transaction().start(rows.database, 1) as transaction:
        rows.insert(connections.cursor_of(transaction), [Row(made, "text")], True)
    assert states(rows.database) == ["pending"]


def test_thousands_of_rows_at_once(rows: TaskRows) -> None:
    many = [Row(message(), "text") for _ in range(5_000)]
    rows.insert_apart(many, notify=True)
    assert query(rows.database, "SELECT count(*) FROM async_task") == [(5_000,)]


def test_an_administrator_can_read_all_of_it(rows: TaskRows, task_id: str) -> None:
    held = claim(rows, task_id)
    rows.start(held, "worker 1")
    from trytond.pool import Pool

    with Transaction().start(rows.database, 1):
        (record,) = Pool().get("async.task").search([])
        assert record.name == "async_test.record.echo"
        assert (record.state, record.attempt) == ("running", 1)
        assert record.worker == "worker 1"
        assert record.lease_until is not None
        assert task_id in record.rec_name


def test_a_claim_is_one_workers(rows: TaskRows, task_id: str) -> None:
    claim(rows, task_id)
    assert rows.claim_ids([task_id], LONG_S) == {}
    assert rows.claim_due(["q"], 10, LONG_S, True) == []
    assert rows.free_expired() == 0
    assert states(rows.database) == ["running"]


def test_a_message_delivered_twice_has_one_effect(rows: TaskRows, task_id: str) -> None:
    finish(rows, claim(rows, task_id))
    assert rows.claim_ids([task_id], LONG_S) == {}
    assert effects(rows) == 1
    assert states(rows.database) == ["done"]


def test_a_late_run_is_rolled_back(rows: TaskRows, task_id: str) -> None:
    late = claim(rows, task_id, OVER_S)
    finish(rows, take_over(rows, task_id), "second")
    with pytest.raises((LeaseLost, backend.DatabaseOperationalError)):
        finish(rows, late, "first")
    assert effects(rows) == 1
    status = rows.status(task_id)
    assert status is not None
    assert status.outcome == Outcome("second", "second")


def test_a_late_run_is_rolled_back_even_before_the_other_ends(
    rows: TaskRows, task_id: str
) -> None:
    late = claim(rows, task_id, OVER_S)
    other = take_over(rows, task_id)
    with pytest.raises((LeaseLost, backend.DatabaseOperationalError)):
        finish(rows, late)
    finish(rows, other)
    assert effects(rows) == 1


@pytest.mark.backends("postgresql")
def test_two_runs_at_the_same_time_have_one_effect(
    rows: TaskRows, task_id: str
) -> None:
    """The snapshot of the late run is older than the take-over."""
    late = claim(rows, task_id, OVER_S)
    with Transaction().start(rows.database, 1) as transaction:
        cursor = connections.cursor_of(transaction)
        cursor.execute("INSERT INTO async_test_entry (label) VALUES ('late')")
        finish_in_thread(rows, take_over(rows, task_id))
        with pytest.raises((LeaseLost, backend.DatabaseOperationalError)):
            rows.finish(cursor, late, Outcome(), 60)
        transaction.rollback()
    assert effects(rows) == 1


def finish_in_thread(rows: TaskRows, held: Claim) -> None:
    thread = threading.Thread(target=finish, args=[rows, held])
    thread.start()
    thread.join()
    assert states(rows.database) == ["done"]


@pytest.mark.backends("postgresql")
def test_signs_of_life_do_not_disturb_the_tasks_transaction(
    rows: TaskRows, task_id: str
) -> None:
    held = claim(rows, task_id)
    with Transaction().start(rows.database, 1) as transaction:
        cursor = connections.cursor_of(transaction)
        cursor.execute("INSERT INTO async_test_entry (label) VALUES ('effect')")
        rows.start(held, "worker")
        rows.report(held, Progress(1, 2, "half"))
        assert set(rows.extend([held], LONG_S)) == {task_id}
        status = rows.status(task_id)
        assert status is not None
        assert status.progress == Progress(1, 2, "half")
        rows.finish(cursor, held, Outcome(), 60)
    assert effects(rows) == 1
    assert states(rows.database) == ["done"]


def test_a_claim_can_be_the_start(rows: TaskRows, task_id: str) -> None:
    marks = "SELECT attempt, worker, progress_done FROM async_run WHERE uuid = %s"
    for attempt in range(2):
        held = rows.claim_ids([task_id], LONG_S, AT_ONCE)[task_id]
        assert held.started
        assert held.attempt == attempt
        assert query(rows.database, marks, task_id) == [(attempt + 1, "worker", None)]
        rows.report(held, Progress(1, 2, "half"))
        rows.release(held, State.SENT, 0, attempt + 1)
    # What has not begun after all is handed back as it was.
    held = rows.claim_ids([task_id], LONG_S, AT_ONCE)[task_id]
    rows.release(held, State.SENT, 0, held.attempt)
    assert claim(rows, task_id).attempt == 2


def test_a_claim_ahead_is_the_start_of_what_has_not_run(
    rows: TaskRows, task_id: str
) -> None:
    marks = "SELECT attempt, worker FROM async_run WHERE uuid = %s"
    first = rows.claim_ids([task_id], LONG_S, Starts("worker"))[task_id]
    assert (first.started, first.attempt) == (True, 0)
    assert query(rows.database, marks, task_id) == [(1, "worker")]
    rows.release(first, State.SENT, 0, 1)
    # It counts one attempt: the next one counts when it begins, and not before.
    second = rows.claim_ids([task_id], LONG_S, Starts("worker"))[task_id]
    assert (second.started, second.attempt) == (False, 1)
    assert query(rows.database, marks, task_id) == [(1, None)]
    rows.start(second, "worker")
    assert query(rows.database, marks, task_id) == [(2, "worker")]


@pytest.mark.parametrize("max_attempts", [1, 2, 3])
def test_a_claim_ahead_spares_an_attempt_only_where_there_are_some(
    rows: TaskRows, max_attempts: int
) -> None:
    made = message("q", max_attempts=max_attempts)
    rows.insert_apart([Row(made, "text")], notify=True)
    (held,) = rows.claim_due(["q"], 10, LONG_S, True, Starts("worker"))
    assert (held.started, held.attempt) == (max_attempts == 3, 0)
    rows.release(held, State.PENDING, None, 0)
    (held,) = rows.claim_ids([made.id], LONG_S, AT_ONCE).values()
    assert (held.started, held.attempt) == (True, 0)


@pytest.mark.parametrize("at_once", [True, False])
def test_taking_over_is_a_start_where_a_thread_is_free(
    rows: TaskRows, task_id: str, at_once: bool
) -> None:
    lost = rows.claim_ids([task_id], OVER_S, AT_ONCE)[task_id]
    starts = Starts("worker", at_once)
    (taken,) = wait_until(
        lambda: list(rows.claim_ids([task_id], LONG_S, starts).values())
    )
    assert lost.started
    assert taken.started is at_once
    assert taken.attempt == 1


@pytest.mark.backends("postgresql")
def test_a_start_survives_the_rollback_of_its_transaction(
    rows: TaskRows, task_id: str
) -> None:
    held = claim(rows, task_id)
    with Transaction().start(rows.database, 1) as transaction:
        cursor = connections.cursor_of(transaction)
        rows.start_first(cursor, held, "worker")
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
        cursor.execute("INSERT INTO async_test_entry (label) VALUES ('effect')")
        transaction.rollback()
    assert effects(rows) == 0
    attempts = "SELECT attempt, worker FROM async_run WHERE uuid = %s"
    assert query(rows.database, attempts, task_id) == [(1, "worker")]


@pytest.mark.backends("postgresql")
def test_a_start_is_marked_though_a_heartbeat_comes_between(
    tryton_conf: ConfWriter, rows: TaskRows, task_id: str
) -> None:
    held = claim(rows, task_id)
    row = ClaimedRow(rows, held, is_message=True)
    with Transaction().start(rows.database, 1) as transaction:
        # The transaction has seen the row as it was before.
        assert set(rows.extend([held], LONG_S)) == {task_id}
        row.start_in(transaction, "worker")
        cursor = connections.cursor_of(transaction)
        cursor.execute("INSERT INTO async_test_entry (label) VALUES ('effect')")
        rows.finish(cursor, held, Outcome(), 60)
        transaction.commit()
    assert effects(rows) == 1
    attempts = "SELECT attempt, worker FROM async_run WHERE uuid = %s"
    assert query(rows.database, attempts, task_id) == [(1, "worker")]


def test_a_lease_that_is_extended_holds(rows: TaskRows, task_id: str) -> None:
    held = claim(rows, task_id, 0.5)
    assert set(rows.extend([held], LONG_S)) == {task_id}
    over = claim_after_a_lease(rows)
    assert over.id != task_id
    assert rows.claim_ids([task_id], LONG_S) == {}


def claim_after_a_lease(rows: TaskRows) -> Claim:
    """Take over another task, whose lease began at the same time."""
    other = message()
    rows.insert_apart([Row(other, "text")], notify=False)
    claim(rows, other.id, 0.5)
    return take_over(rows, other.id)


def test_a_claim_that_was_lost_is_not_extended(rows: TaskRows, task_id: str) -> None:
    lost = claim(rows, task_id, OVER_S)
    take_over(rows, task_id)
    assert set(rows.extend([lost], LONG_S)) == set()


def test_progress_of_a_lost_run_is_dropped(rows: TaskRows, task_id: str) -> None:
    lost = claim(rows, task_id, OVER_S)
    take_over(rows, task_id)
    rows.report(lost, Progress(9))
    status = rows.status(task_id)
    assert status is not None
    assert status.progress is None


def test_expired_leases_are_found(rows: TaskRows, task_id: str) -> None:
    held = claim(rows, task_id, OVER_S)
    rows.start(held, "worker that dies")
    assert wait_until(rows.free_expired) == 1
    assert states(rows.database) == ["pending"]
    # What the dead worker does after all has no effect.
    assert set(rows.extend([held], LONG_S)) == set()
    rows.report(held, Progress(9))
    (taken,) = rows.claim_due(["q"], 10, LONG_S, True)
    assert (taken.id, taken.attempt, taken.text) == (task_id, 1, "text")
    with pytest.raises((LeaseLost, backend.DatabaseOperationalError)):
        finish(rows, held)
    assert set(rows.extend([held], LONG_S)) == set()


def test_attempts_are_counted_where_a_kill_cannot_undo_them(
    rows: TaskRows, task_id: str
) -> None:
    for attempt in range(3):
        held = take_over(rows, task_id)
        assert held.attempt == attempt
        rows.start(held, "worker")
        rows.extend([held], OVER_S)


def test_given_back(rows: TaskRows, task_id: str) -> None:
    held = claim(rows, task_id)
    rows.start(held, "worker")
    rows.release(held, State.PENDING, 0, 1)
    (again,) = rows.claim_due(["q"], 10, LONG_S, True)
    assert (again.id, again.attempt) == (task_id, 1)
    with pytest.raises(LeaseLost):
        rows.release(held, State.PENDING, 0, 1)
    with pytest.raises(LeaseLost):
        rows.finish_apart(held, Outcome(), 60)


def test_a_run_that_is_asked_to_stop_is_not_tried_again(
    rows: TaskRows, task_id: str
) -> None:
    held = claim(rows, task_id)
    (running,) = rows.running_tasks(["q"])
    assert str(running).endswith("queue q, not started yet")
    assert rows.cancel_request(held) is None
    for interrupt in (False, True):
        assert rows.cancel(task_id, interrupt=interrupt) is State.RUNNING
        assert rows.cancel_request(held) == CancelRequest(interrupt)
    assert not rows.release(held, State.PENDING, None, 1)
    assert states(rows.database) == ["cancelled"]
    assert rows.cancel("unknown") is None


def test_a_lost_run_neither_starts_nor_ends(rows: TaskRows, task_id: str) -> None:
    lost = claim(rows, task_id, OVER_S)
    held = take_over(rows, task_id)
    with pytest.raises(LeaseLost, match=task_id):
        rows.start(lost, "worker 1")
    with pytest.raises(LeaseLost, match=task_id):
        rows.interrupted(lost)
    with pytest.raises(LeaseLost, match=task_id):
        rows.cancelled(lost)
    assert states(rows.database) == ["running"]
    assert [rows.interrupted(held), rows.interrupted(held)] == [1, 2]
    rows.cancelled(held)
    assert states(rows.database) == ["cancelled"]


@pytest.mark.backends("postgresql")
def test_claims_are_run_though_others_cannot_be_taken_over(rows: TaskRows) -> None:
    """The disk is full once a lease is to be ended."""
    free, dead = message(), message()
    rows.insert_apart([Row(free, "free"), Row(dead, "dead")], notify=True)
    claim(rows, dead.id, OVER_S)
    with full_disk(rows.database, "UPDATE ON async_run"):
        with pytest.raises(DatabaseUnavailable, match="disk full"):
            wait_until(lambda: rows.claim_ids([dead.id], LONG_S))
        assert set(rows.claim_ids([free.id, dead.id], LONG_S)) == {free.id}
    assert rows.claim_ids([dead.id], LONG_S)


@contextmanager
def full_disk(database: str, event: str) -> Iterator[None]:
    """Let a statement on a table of PostgreSQL fail as on a full disk."""
    query(
        database,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END$$",
    )
    query(
        database,
        f"CREATE TRIGGER full_disk BEFORE {event} "
        "FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    try:
        yield
    finally:
        query(database, "DROP FUNCTION full_disk CASCADE")


def test_what_was_known_meanwhile_is_unknown_anew(rows: TaskRows, task_id: str) -> None:
    """During a deploy it comes to old and new workers in turn."""
    since = "SELECT unknown_since FROM async_run"

    def unknown(failed: FailedAttempt | None = None) -> None:
        held = claim(rows, task_id)
        assert rows.unknown_for_s(held) >= 0
        rows.release(held, State.SENT, 0, 0, failed)

    unknown()
    first = query(rows.database, since)
    unknown()
    assert query(rows.database, since) == first != [(None,)]
    unknown(FAILED)
    assert query(rows.database, since) == [(None,)]


def test_given_back_for_later(rows: TaskRows, task_id: str) -> None:
    rows.release(claim(rows, task_id), State.PENDING, 3_600, 1)
    assert rows.claim_due(["q"], 10, LONG_S, True) == []
    seconds = rows.next_due_s(["q"], True)
    assert seconds is not None
    # SQLite rounds times.
    assert 3_500 < seconds < 3_601


def test_a_late_confirmation_does_not_undo_a_run(rows: TaskRows, task_id: str) -> None:
    held = claim(rows, task_id)
    rows.mark_sent([task_id])
    assert states(rows.database) == ["running"]
    rows.finish_apart(held, Outcome(), 60)
    rows.mark_sent([task_id])
    assert states(rows.database) == ["done"]


def test_confirmation(rows: TaskRows, task_id: str) -> None:
    rows.mark_sent([task_id])
    assert states(rows.database) == ["sent"]
    assert rows.claim_due(["q"], 10, LONG_S, True) == []
    assert claim(rows, task_id).id == task_id


@pytest.mark.backends("postgresql")
def test_a_claim_does_not_wait_for_another(rows: TaskRows, task_id: str) -> None:
    """SKIP LOCKED: a row in other hands is passed over."""
    other = message()
    rows.insert_apart([Row(other, "text")], notify=False)
    with Transaction().start(rows.database, 1) as transaction:
        connections.cursor_of(transaction).execute(
            "SELECT id FROM async_task WHERE uuid = %s FOR UPDATE", (task_id,)
        )
        claimed: list[Claim] = []
        thread = threading.Thread(
            target=lambda: claimed.extend(rows.claim_due(["q"], 10, LONG_S, True))
        )
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        assert [held.id for held in claimed] == [other.id]


@pytest.mark.backends("postgresql")
def test_the_limit_holds_whatever_plan_the_server_chooses(
    fresh_database: str, databases: Databases
) -> None:
    """A sub-select that is run again for each row passes the LIMIT."""
    import psycopg2

    rows = TaskRows(fresh_database)
    rows.insert_apart([Row(message(), "text")], notify=False)
    connection = psycopg2.connect(databases.uri + fresh_database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        # As after an automatic ANALYZE of a small table that has grown since.
        cursor.execute("ANALYZE async_task")
        for join in ("hashjoin", "mergejoin", "material", "hashagg"):
            cursor.execute(f"ALTER DATABASE {fresh_database} SET enable_{join} = off")
    connection.close()
    connections.close(fresh_database)
    rows.insert_apart([Row(message(), "text") for _ in range(9)], notify=False)
    claimed = [len(rows.claim_due(["q"], 2, 0, True)) for _ in range(6)]
    assert claimed == [2, 2, 2, 2, 2, 0]
    assert wait_until(rows.free_expired) == 10
    again = [len(rows.claim_due(["q"], 2, 0, True)) for _ in range(6)]
    assert again == [2, 2, 2, 2, 2, 0]


def test_failures_are_stored_whatever_is_in_them(rows: TaskRows, task_id: str) -> None:
    failure = Failure("Error", "NUL \0 and \ud800", "NUL \0 and \ud800 again")
    rows.finish_apart(claim(rows, task_id), Outcome(failure=failure), 60)
    status = rows.status(task_id)
    assert status is not None
    assert status.state is State.FAILED


def test_tasks_that_need_the_web_app_can_be_left(rows: TaskRows) -> None:
    from nereid_async.messages.message import WebRequest

    web = message(web=WebRequest(1, 1, "en", "http://localhost/"))
    rows.insert_apart([Row(web, "text")], notify=False)
    assert rows.claim_due(["q"], 10, LONG_S, False) == []
    (held,) = rows.claim_due(["q"], 10, LONG_S, True)
    assert held.id == web.id


def test_a_full_queue_leaves_room_for_the_others(rows: TaskRows) -> None:
    many = [Row(message("full"), "text") for _ in range(50)]
    rows.insert_apart(many, notify=False)
    few = [Row(message(queue), "text") for queue in ("a", "b", "b")]
    rows.insert_apart(few, notify=False)
    assert rows.next_due_s(["a", "full"], True) == 0
    claimed = rows.claim_due(["full", "b", "none", "a"], 10, LONG_S, True)
    queues = Counter(held.queue for held in claimed)
    assert queues == {"full": 7, "a": 1, "b": 2}
    # The oldest of each.
    taken = {held.id for held in claimed}
    assert taken >= {row.message.id for row in [*many[:7], *few]}


@pytest.fixture
def indexes(database: str) -> Iterator[dict[str, str]]:
    if backend.name == "postgresql":
        statement = "SELECT indexname, indexdef FROM pg_indexes"
    else:
        statement = "SELECT name, sql FROM sqlite_master WHERE type = 'index'"
    yield {name: text or "" for name, text in query(database, statement)}


def test_indexes_leave_finished_rows_out(indexes: dict[str, str]) -> None:
    for name in ("async_task_next", "async_task_sent", "async_run_lease"):
        assert "WHERE" in indexes[name]
    assert "UNIQUE" in indexes["async_task_uuid"]


def test_times_are_utc(rows: TaskRows, task_id: str) -> None:
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc).replace(tzinfo=None)
    ((due_at, deferred_at),) = query(
        rows.database,
        'SELECT due_at AS "a [TIMESTAMP]", deferred_at AS "b [TIMESTAMP]" '
        "FROM async_task"
        if backend.name == "sqlite"
        else "SELECT due_at, deferred_at FROM async_task",
    )
    clock = datetime.fromtimestamp(rows.clock_s(), timezone.utc).replace(tzinfo=None)
    for moment in (due_at, deferred_at, clock):
        assert abs(moment - now) < timedelta(minutes=1)


def test_a_dead_workers_task_does_not_wait_behind_what_is_finished(
    rows: TaskRows,
) -> None:
    made = [Row(message(), "text") for _ in range(11)]
    rows.insert_apart(made, notify=True)
    dead, *others = rows.claim_due(["q"], 11, OVER_S, True)
    for other in others:
        rows.finish_apart(other, Outcome(), 60)
    # Its lease ends last.
    rows.extend([dead], OVER_S)
    assert wait_until(rows.free_expired) == 1
    taken = rows.claim_due(["q"], 2, LONG_S, True)
    assert [it.id for it in taken] == [dead.id]


def test_leases_of_finished_tasks_are_let_go(rows: TaskRows) -> None:
    made = [Row(message(), "text") for _ in range(4)]
    rows.insert_apart(made, notify=True)
    running, finished, *given_back = rows.claim_due(["q"], 4, OVER_S, True)
    rows.finish_apart(finished, Outcome(), 60)
    for claim in given_back:
        rows.release(claim, State.PENDING, 0, 0)
    assert wait_until(lambda: rows.end_leases(10)) == 1
    assert rows.end_leases(10) == 0
    assert rows.free_expired() == 1
    assert running.id in {it.id for it in rows.claim_due(["q"], 10, LONG_S, True)}
