"""Steps of two workers: they claim, run and end tasks, or die; late runs end, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from trytond import backend

from nereid_async.database import connections
from nereid_async.errors import LeaseLost
from nereid_async.messages.outcome import Failure, Outcome, State
from nereid_async.rows import Claim, Starts
from tests.fuzz.batch_steps import BatchSteps
from tests.fuzz.defer_steps import RESULT_TTL_S, some_calls
from tests.fuzz.row_machine import FINISHED, ORDERED, PLAIN, WAITING, Call

LEASE_S = 60.0
#: More than there are tasks: which of several would be claimed is at random.
CLAIMS_MAX = 20

#: The times in the rows, by table.
TIMES = {
    "async_task": ("deferred_at", "due_at", "send_at", "finished_at", "expires_at"),
    "async_run": ("lease_until", "started_at", "unknown_since"),
    "async_batch": ("finished_at", "expires_at"),
}
#: How a run ends.
ENDS = [
    *("finish", "finish twice", "grow", "grow", "grow", "crash at commit", "crash"),
    *("fail", "fail", "again", "again", "sent", "stop"),
]

indexes = st.integers(0, 7)
queues = st.sampled_from([PLAIN, ORDERED])
endings = st.sampled_from(ENDS)
delays_s = st.sampled_from([None, 0, 3_600])


@dataclass
class Run:
    """What a worker is at.

    :ivar connection: that of the task's own transaction, once it has begun.
    """

    claim: Claim
    connection: Any = None


class WorkerSteps(BatchSteps):
    """Only the last run of a task that was claimed can end it."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []
        #: The token of the last claim of each task.
        self.tokens: dict[str, str] = {}

    # -- claims --------------------------------------------------------------------

    @precondition(lambda self: self.known)
    @rule(queue=queues)
    def claim_due(self, queue: str) -> None:
        self.seen("step: claim due")
        self.runs += self.claim_of(queue)

    @precondition(lambda self: self.known)
    @rule(queue=queues, how=endings, delay_s=delays_s, calls=some_calls)
    def work(
        self, queue: str, how: str, delay_s: int | None, calls: list[Call]
    ) -> None:
        """A worker that claims what is due, and ends it soon."""
        for run in self.claim_of(queue):
            self.rows_are_as_known()
            self.end_run(run, how, delay_s, calls)

    def claim_of(self, queue: str) -> list[Run]:
        claims = self.rows.claim_due([queue], CLAIMS_MAX, LEASE_S, True)
        assert all(self.known[claim.id].state == "pending" for claim in claims)
        return self.claimed(claims)

    @precondition(lambda self: self.known)
    @rule(index=indexes, after_s=st.sampled_from([0, 61]), starts=st.booleans())
    def claim_received(self, index: int, after_s: int, starts: bool) -> None:
        """The task of a message, maybe delivered once more."""
        self.seen("step: claim received")
        if after_s:
            self.time_passes(after_s)
        self.runs += self.claim_one(self.task_at(index), starts)

    def claim_one(self, task_id: str, starts: bool = False) -> list[Run]:
        task = self.known[task_id]
        mark = Starts("worker", at_once=True) if starts else None
        over = self.select("SELECT uuid FROM async_run WHERE lease_until < {now}")
        claims = self.rows.claim_ids(
            [task_id], LEASE_S, mark, ordered=task.call.ordered
        )
        if claims and task.state == "running":
            self.seen("a run is taken over")
            assert (task_id,) in [tuple(row) for row in over]
        return self.claimed([*claims.values()])

    def claimed(self, claims: list[Claim]) -> list[Run]:
        for claim in claims:
            task = self.known[claim.id]
            assert task.state not in FINISHED
            assert claim.text == task.text
            assert claim.cancelled == task.asked
            self.is_its_turn(claim.id)
            self.tokens[claim.id] = claim.token
            self.seen("a task is claimed")
        return [Run(claim) for claim in claims]

    # -- runs ----------------------------------------------------------------------

    @precondition(lambda self: self.runs)
    @rule(index=indexes, step=st.sampled_from(["start", "begin", "extend"]))
    def go_on(self, index: int, step: str) -> None:
        self.seen(f"step: {step} a run")
        run = self.runs[index % len(self.runs)]
        if step == "begin":
            self.begin(run)
        elif step == "extend":
            held = self.rows.extend([run.claim], LEASE_S)
            assert run.claim.id in held or not self.holds(run)
        else:
            try:
                self.rows.start(run.claim, "worker")
            except LeaseLost:
                assert not self.holds(run)

    @precondition(lambda self: self.runs)
    @rule(index=indexes, how=endings, delay_s=delays_s, calls=some_calls)
    def end(self, index: int, how: str, delay_s: int | None, calls: list[Call]) -> None:
        # Else hardly any member would defer into its batch after a cancel.
        late = [it for it in self.runs if how == "grow" and self.is_late(it)]
        run = late[0] if late else self.runs[index % len(self.runs)]
        self.runs.remove(run)
        self.end_run(run, how, delay_s, calls)

    def is_late(self, run: Run) -> bool:
        """Whether it is of a member that still runs, of a batch that was cancelled."""
        task = self.known.get(run.claim.id)
        return task is not None and self.is_cancelling(task.batch) and self.holds(run)

    def end_run(
        self, run: Run, how: str, delay_s: int | None, calls: list[Call]
    ) -> None:
        """A run finishes, fails, is to run again, or its worker dies."""
        if run.claim.cancelled and how != "crash":
            how = "stop"
        self.seen(f"step: a run ends: {how}")
        held = self.holds(run)
        try:
            if how in ("finish", "finish twice", "grow", "crash at commit"):
                more = calls if how == "grow" else []
                self.finish(run, more, commits=how != "crash at commit")
                if how == "finish twice":
                    self.is_over(run.claim)
            else:
                self.close(run)
                self.give_up(run, how, delay_s)
        except LeaseLost:
            self.seen("a late run ends with LeaseLost")
            assert not held
        except backend.DatabaseOperationalError:
            # The row has changed since its transaction began, or a key was taken.
            self.seen("a run ends with a serialization failure")
        else:
            assert held or how.startswith("crash") or how == "stop"
        finally:
            self.close(run)

    def is_over(self, claim: Claim) -> None:
        """A worker that did not see its commit ends its run once more, in any way."""
        failure = Outcome(failure=Failure("E", "m"))
        for end in (
            lambda: self.rows.finish_apart(claim, Outcome(1, 1), RESULT_TTL_S),
            lambda: self.rows.finish_apart(claim, failure, RESULT_TTL_S),
            lambda: self.rows.release(claim, State.PENDING, 0, claim.attempt),
            lambda: self.rows.cancelled(claim),
        ):
            with pytest.raises(LeaseLost):
                end()

    def holds(self, run: Run) -> bool:
        """Whether nobody has taken the task of a run from it."""
        task = self.known.get(run.claim.id)
        return (
            task is not None
            and task.state == "running"
            and self.tokens[run.claim.id] == run.claim.token
        )

    def finish(self, run: Run, calls: list[Call], *, commits: bool = True) -> None:
        """The effect, what it defers, the last statement, and the commit.

        :raises LeaseLost: another run has the task.
        :raises DatabaseOperationalError: likewise, since the transaction began.
        """
        self.begin(run)
        cursor = connections.cursor_of(run)
        self.rows.execute(
            cursor, "INSERT INTO async_test_entry (label) VALUES ({p})", [run.claim.id]
        )
        asker, written = None, {}
        if calls and run.claim.id in self.known:
            asker = self.grow(run.claim.id, run.connection, calls)
            written = self.write(asker)
        self.rows.finish(cursor, run.claim, Outcome(1, 1), RESULT_TTL_S)
        if commits:
            run.connection.commit()
            if self.known[run.claim.id].asked:
                self.seen("a task is done that was asked to stop")
            if asker is not None:
                self.grown(asker, written)

    def give_up(self, run: Run, how: str, delay_s: int | None) -> None:
        """A run ends without an effect.

        :raises LeaseLost: another run has the task.
        """
        rows, claim = self.rows, run.claim
        if how == "fail":
            failure = Outcome(failure=Failure("E", "m"))
            rows.finish_apart(claim, failure, RESULT_TTL_S)
        elif how == "stop":
            request = rows.cancel_request(claim)
            assert not self.holds(run) or bool(request) == self.known[claim.id].asked
            if claim.cancelled or request:
                held = self.holds(run)
                rows.cancelled(claim)
                assert held
                self.seen("a running task is cancelled")
        elif how != "crash":
            asked = self.holds(run) and self.known[claim.id].asked
            state = State.SENT if how == "sent" else State.PENDING
            released = rows.release(claim, state, delay_s, claim.attempt)
            assert released == (not asked)

    # -- time ----------------------------------------------------------------------

    @precondition(lambda self: self.known)
    @rule(seconds=st.sampled_from([45, 4_000]))
    def time_passes(self, seconds: int) -> None:
        """Time passes by moving what stands in the rows back."""
        with connections.transaction(self.rows.database) as cursor:
            for table, columns in TIMES.items():
                changes = ", ".join(f"{it} = {_moved(it, seconds)}" for it in columns)
                cursor.execute(f"UPDATE {table} SET {changes}")

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

    def teardown(self) -> None:
        """Two workers that do not crash bring every task to its end."""
        for asker in self.askers:
            self.end_asker(asker)
        for run in self.runs:
            self.close(run)
        self.runs.clear()
        for _ in range(2 * len(self.known)):
            self.end_batches()
            self.rows_are_as_known()
            left = [it for it, task in self.known.items() if task.state not in FINISHED]
            if not left:
                break
            self.time_passes(4_000)
            self.rows.free_expired()
            self.rows_are_as_known()
            self.run_all(left)
        assert all(task.state in FINISHED for task in self.known.values())
        assert all(batch.counts is not None for batch in self.batches.values())

    def run_all(self, ids: list[str]) -> None:
        for task_id in ids:
            if self.known[task_id].state in WAITING:
                self.runs += self.claim_one(task_id)
                self.rows_are_as_known()
            for run in self.runs:
                if run.claim.cancelled:
                    self.rows.cancelled(run.claim)
                else:
                    self.finish(run, [])
                self.close(run)
            self.runs.clear()
            self.rows_are_as_known()


def _moved(column: str, seconds: int) -> str:
    """SQL for an earlier time."""
    if backend.name == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-{seconds} seconds')"
    return f"{column} - interval '{seconds} seconds'"
