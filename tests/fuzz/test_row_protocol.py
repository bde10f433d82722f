"""The row protocol in any order of its steps: one effect a task, and none lost.

Two workers, a relay, a canceller, an administrator and a reaper take turns on the rows
of a real database, in whatever order hypothesis finds; runs crash, hang beyond their
lease and overlap. Time passes by moving what stands in the rows back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from trytond import backend

from devtools.messages import message
from nereid_async.database import connections
from nereid_async.errors import LeaseLost
from nereid_async.messages.outcome import Failure, Outcome, State
from nereid_async.rows import Claim, Row, Starts, TaskRows
from tests.fuzz.batch_steps import BatchSteps
from tests.helpers import query

LEASE_S = 60.0
RESULT_TTL_S = 86_400.0
#: A message may be lost for so long before it is sent again.
LOST_AFTER_S = 900.0
TASKS_MAX = 3
#: The queue of tasks in order; those without a group are in the other one.
ORDERED = "q.fifo"
FINISHED = ("done", "failed", "cancelled")

#: The times in the rows, by table.
TIMES = {
    "async_task": ("deferred_at", "due_at", "send_at", "finished_at", "expires_at"),
    "async_run": ("lease_until", "started_at", "unknown_since"),
}

#: What a sequence of steps begins without.
EMPTIED = ("async_batch", "async_task", "async_run", "async_test_entry")

#: How a run ends; the first is the commonest.
ENDS = ("finish", "finish", "crash at commit", "crash", "fail", "again", "sent")

indexes = st.integers(0, 3)


@dataclass
class Run:
    """What a worker is at.

    :ivar connection: that of the task's own transaction, once it has begun.
    """

    claim: Claim
    connection: Any = None


class RowProtocol(BatchSteps):
    """The steps of all that write rows."""

    rows: TaskRows

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.runs: list[Run] = []
        self.database = backend.Database(self.rows.database).connect()

    @initialize()
    def no_tasks(self) -> None:
        for table in EMPTIED:
            query(self.rows.database, f"DELETE FROM {table}")

    # -- the caller ----------------------------------------------------------------

    @precondition(lambda self: len(self.ids) < TASKS_MAX)
    @rule(
        delay_s=st.sampled_from([0, 0, 0, 3_600]),
        group=st.sampled_from([None, "a", "a", "b"]),
    )
    def defer(self, delay_s: int, group: str | None) -> None:
        queue = "q" if group is None else ORDERED
        made = message(queue, group=group, delay_s=delay_s, max_attempts=1_000)
        self.rows.insert_apart([Row(made, "text")], notify=False)
        self.ids.append(made.id)

    # -- two workers ---------------------------------------------------------------

    @precondition(lambda self: self.ids)
    @rule(
        index=indexes,
        after_s=st.sampled_from([0, 61]),
        queue=st.sampled_from([None, "q", ORDERED]),
        starts=st.booleans(),
    )
    def claim(self, index: int, after_s: int, queue: str | None, starts: bool) -> None:
        """What is due, or the task of a message, maybe delivered once more."""
        self.time_passes(after_s)
        if queue is not None:
            # As many as there are: which one of several would be claimed is at random.
            claims = self.rows.claim_due([queue], TASKS_MAX, LEASE_S, True)
        else:
            mark = Starts("worker", at_once=True) if starts else None
            ids = [self.ids[index % len(self.ids)]]
            claims = [*self.rows.claim_ids(ids, LEASE_S, mark, ordered=True).values()]
        for claimed in claims:
            assert claimed.text == self.calls.get(claimed.id, "text")
            self.is_its_turn(claimed)
        self.runs += [Run(claim) for claim in claims]

    @precondition(lambda self: self.runs)
    @rule(index=indexes, step=st.sampled_from(["start", "begin", "extend"]))
    def go_on(self, index: int, step: str) -> None:
        run = self.runs[index % len(self.runs)]
        if step == "begin":
            self.begin(run)
        elif step == "extend":
            self.rows.extend([run.claim], LEASE_S)
        else:
            with suppress(LeaseLost):
                self.rows.start(run.claim, "worker")

    @precondition(lambda self: self.runs)
    @rule(
        index=indexes,
        how=st.sampled_from(
            [
                "finish",
                "finish",
                "grow",
                "crash at commit",
                "fail",
                "crash",
                "again",
                "sent",
                "stop",
            ]
        ),
        delay_s=st.sampled_from([None, 0, 3_600]),
    )
    def end(self, index: int, how: str, delay_s: int | None) -> None:
        """A run finishes, fails, is to run again, or its worker dies."""
        run = self.runs.pop(index % len(self.runs))
        if how in ("finish", "grow", "crash at commit"):
            self.finish(run, commits=how != "crash at commit", grows=how != "finish")
            return
        self.close(run)
        with suppress(LeaseLost):
            if how == "fail":
                failure = Outcome(failure=Failure("E", "m"))
                self.rows.finish_apart(run.claim, failure, RESULT_TTL_S)
            elif how == "stop":
                if run.claim.cancelled or self.rows.cancel_request(run.claim):
                    self.rows.cancelled(run.claim)
            elif how != "crash":
                state = State.SENT if how == "sent" else State.PENDING
                self.rows.release(run.claim, state, delay_s, run.claim.attempt)

    def finish(self, run: Run, *, commits: bool, grows: bool = False) -> None:
        """The effect, the last statement, and the commit."""
        self.begin(run)
        cursor = connections.cursor_of(run)
        mark = "?" if backend.name == "sqlite" else "%s"
        effect = f"INSERT INTO async_test_entry (label) VALUES ({mark})"
        try:
            cursor.execute(effect, [run.claim.id])
            grown = self.grow(run.claim.id, cursor) if grows else None
            self.rows.finish(cursor, run.claim, Outcome(1, 1), RESULT_TTL_S)
            if commits:
                run.connection.commit()
                self.grown(run.claim.id, grown)
        except (LeaseLost, backend.DatabaseOperationalError) as error:
            event(f"a late run ends with {type(error).__name__}")
        finally:
            self.close(run)

    # -- the others ----------------------------------------------------------------

    @precondition(lambda self: self.ids)
    @rule(seconds=st.sampled_from([45, 4_000]))
    def time_passes(self, seconds: int) -> None:
        for table, columns in TIMES.items():
            changes = ", ".join(f"{it} = {_moved(it, seconds)}" for it in columns)
            query(self.rows.database, f"UPDATE {table} SET {changes}")

    @precondition(lambda self: self.ids)
    @rule(
        index=indexes,
        step=st.sampled_from(
            [
                "mark what the relay sends",
                "mark late",
                "resend",
                "queue deleted",
                "set aside",
                "free expired",
                "free expired",
                "reap",
                "retry",
                "cancel",
            ]
        ),
    )
    def maintain(self, index: int, step: str) -> None:
        rows, ids = self.rows, [self.ids[index % len(self.ids)]]
        if step == "mark what the relay sends":
            rows.mark_sent([row.id for row in rows.unsent(10, 0, LEASE_S)])
        elif step == "mark late":
            rows.mark_sent(ids)
        elif step == "resend":
            self.resend()
        elif step == "queue deleted":
            rows.mark_unsent(ids)
        elif step == "set aside":
            rows.set_aside(ids[0])
        elif step == "free expired":
            rows.free_expired()
        elif step == "reap":
            rows.end_leases()
            rows.reap(RESULT_TTL_S * 30, 100)
        elif step == "cancel":
            found = rows.cancel(ids[0])
            waited = found is not None and found.waiting
            assert not waited or self.states()[ids[0]] == "cancelled"
        else:
            self.retry(ids)

    def resend(self) -> None:
        for queue in ("q", ORDERED):
            lost = [row.id for row in self.rows.forgotten(queue, 10, LOST_AFTER_S)]
            self.rows.mark_resent(lost, LOST_AFTER_S)
            self.rows.reopen(queue, 10, LOST_AFTER_S)

    def retry(self, ids: list[str]) -> None:
        over = self.states()[ids[0]] in ("failed", "cancelled")
        if self.rows.retry_failed(ids) == [] and over:
            assert self.rows.have_keys_of(ids).keys() == set(ids)

    # -- what holds ----------------------------------------------------------------

    @invariant()
    def done_is_one_effect_and_all_else_is_none(self) -> None:
        found = dict(self.tasks())
        assert set(found) == {
            (task_id, state == "done") for task_id, state in self.states().items()
        }

    @invariant()
    def none_is_lost(self) -> None:
        assert set(self.states()) == set(self.ids)

    @invariant()
    def one_of_a_group_runs_at_a_time(self) -> None:
        running = query(
            self.rows.database,
            "SELECT ordered_group FROM async_task WHERE state = 'running' "
            "AND ordered_group IS NOT NULL",
        )
        assert len(running) == len(set(running))

    def is_its_turn(self, claim: Claim) -> None:
        """No earlier task of its group is unfinished."""
        earlier = query(
            self.rows.database,
            "SELECT o.uuid FROM async_task t JOIN async_task o "
            "ON o.ordered_group = t.ordered_group AND o.id < t.id "
            "AND o.state IN ('pending', 'sent', 'running') "
            f"WHERE t.uuid = '{claim.id}'",
        )
        assert earlier == []

    def teardown(self) -> None:
        """Two workers that do not crash bring every task to its end."""
        super().teardown()
        for run in self.runs:
            self.close(run)
        self.runs.clear()
        self.time_passes(4_000)
        self.rows.free_expired()
        for index in range(len(self.ids)):
            self.claim(index, after_s=0, queue=None, starts=False)
            for run in self.runs:
                self.finish(run, commits=True)
            self.runs.clear()
        self.end_batches()
        self.a_batch_calls_once_at_its_end()
        self.done_is_one_effect_and_all_else_is_none()
        called = {it for calls in self.called.values() for it in calls}
        assert all(
            state in FINISHED or task_id in called
            for task_id, state in self.states().items()
        )

    # -- parts ---------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """The task's transaction begins: it sees the rows as they are now."""
        if run.connection is None:
            run.connection = self.database.get_connection()
            connections.cursor_of(run).execute("SELECT count(*) FROM async_task")

    def close(self, run: Run) -> None:
        if run.connection is not None:
            run.connection.rollback()
            self.database.put_connection(run.connection)
            run.connection = None

    def states(self) -> dict[str, str]:
        return dict(query(self.rows.database, "SELECT uuid, state FROM async_task"))

    def tasks(self) -> dict[tuple[str, bool], int]:
        """Tasks with whether they have their one effect."""
        counts = query(
            self.rows.database,
            "SELECT t.uuid, count(e.id) FROM async_task t "
            "LEFT JOIN async_test_entry e ON e.label = t.uuid GROUP BY t.uuid",
        )
        assert all(count <= 1 for _, count in counts), counts
        return {(task_id, count == 1): count for task_id, count in counts}


def _moved(column: str, seconds: int) -> str:
    """SQL for an earlier time."""
    if backend.name == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-{seconds} seconds')"
    return f"{column} - interval '{seconds} seconds'"


def test_any_order_of_steps(database: str) -> None:
    class OfDatabase(RowProtocol):
        rows = TaskRows(database)

    # On SQLite transactions do not overlap.
    share = 2 if backend.name == "postgresql" else 20
    run_state_machine_as_test(
        OfDatabase,
        settings=settings(
            max_examples=settings().max_examples // share, stateful_step_count=40
        ),
    )
