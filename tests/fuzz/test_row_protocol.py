"""The row protocol in any order of its steps: one effect a task, and none lost.

Those who defer, with keys, in groups and in batches, two workers, a relay, a canceller,
an administrator and a reaper take turns on the rows of a real database, in whatever
order hypothesis finds; runs crash, hang beyond their lease and overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from trytond import backend

from nereid_async.database import connections
from nereid_async.messages.outcome import Failure
from nereid_async.rows import TaskRows
from tests.fuzz.defer_steps import RESULT_TTL_S
from tests.fuzz.row_machine import FINISHED, ORDERED, PLAIN, WAITING, missing, report
from tests.fuzz.worker_steps import LEASE_S, WorkerSteps, indexes

#: A message may be lost for so long before it is sent again.
LOST_AFTER_S = 900.0
#: For how long finished rows are kept.
ROW_TTL_S = 3_600.0
#: From so many sequences on, all that is to be reached is.
MANY = 500

#: What happens to rows besides; the first are the commonest.
MAINTENANCE = [
    *("mark what is sent", "mark what is sent", "free expired", "free expired"),
    *("reap", "reap", "resend", "mark late", "refused", "never sent"),
    *("queue deleted", "set aside", "taken back"),
]

#: What a sequence of steps begins without.
EMPTIED = ("async_batch", "async_task", "async_run", "async_test_entry")

#: What sequences have to reach; the machine would say little if it did not.
REACHED = (
    "a batch begins without members",
    "a batch calls on_failure",
    "a batch is cancelled",
    "a batch is cancelled while a member runs",
    "a batch is done",
    "a failed first of a group waits before others",
    "a late run ends with LeaseLost",
    "a member defers into its batch",
    "a member defers into its batch, which was cancelled",
    "a member has a key",
    "a member is in an ordered group",
    "a member leaves its batch, replaced",
    "a run is taken over",
    "a running task is cancelled",
    "a task is done that was asked to stop",
    "a task is retried",
    "a task runs, and one with its key waits",
    "a waiting task is cancelled",
    "a waiting task is kept",
    "a waiting task is replaced",
    "another task has the key of one that is retried",
    "rows are reaped",
    "the last member of a batch defers into it",
)


class RowProtocol(WorkerSteps):
    """The steps of all that write rows."""

    def __init__(self) -> None:
        super().__init__()
        self.database = backend.Database(self.rows.database).connect()

    @initialize()
    def no_tasks(self) -> None:
        with connections.transaction(self.rows.database) as cursor:
            for table in EMPTIED:
                cursor.execute(f"DELETE FROM {table}")

    @precondition(lambda self: self.known)
    @rule(index=indexes, step=st.sampled_from(MAINTENANCE))
    def maintain(self, index: int, step: str) -> None:
        """The relay, the reaper, and what goes wrong with messages."""
        self.seen(f"step: {step}")
        rows, ids = self.rows, [self.task_at(index)]
        failure = Failure("E", "m")
        steps: dict[str, Callable[[], object]] = {
            "mark what is sent": self.mark_what_is_sent,
            "mark late": lambda: rows.mark_sent(ids),
            "refused": lambda: rows.set_back(ids),
            "never sent": lambda: rows.fail_unsent(ids, failure, RESULT_TTL_S),
            "queue deleted": lambda: rows.mark_unsent(ids),
            "set aside": lambda: rows.set_aside(ids[0]),
            "taken back": lambda: rows.take_back_sent(10),
            "resend": self.resend,
            "free expired": rows.free_expired,
            "reap": self.reap,
        }
        steps[step]()

    def mark_what_is_sent(self) -> None:
        self.rows.mark_sent([row.id for row in self.rows.unsent(10, 0, LEASE_S)])

    def resend(self) -> None:
        for queue in (PLAIN, ORDERED):
            lost = [row.id for row in self.rows.forgotten(queue, 10, LOST_AFTER_S)]
            self.rows.mark_resent(lost, LOST_AFTER_S)
            self.rows.reopen(queue, 10, LOST_AFTER_S)

    def reap(self) -> None:
        """What is old goes."""
        self.rows.end_leases()
        self.rows.reap_batches(ROW_TTL_S, 100)
        self.rows.reap(ROW_TTL_S, 100)
        for batch_id in self._gone("async_batch", self.batches):
            assert self.batches.pop(batch_id).counts is not None
        for task_id in self._gone("async_task", self.known):
            self.seen("rows are reaped")
            task = self.known.pop(task_id)
            batch = self.batches.get(task.batch or "")
            assert task.state in FINISHED
            assert batch is None or batch.counts is not None

    def _gone(self, table: str, known: Mapping[str, object]) -> set[str]:
        return known.keys() - {it for (it,) in self.select(f"SELECT uuid FROM {table}")}

    def cancel(self, task_id: str) -> None:
        task = self.known[task_id]
        assert str(self.rows.cancel(task_id)) == task.state
        if task.state in WAITING:
            self.rows_are_as_known()
            assert task.state == "cancelled"
            self.seen("a waiting task is cancelled")
        elif task.state == "running":
            task.asked = True

    @precondition(lambda self: self.known)
    @rule(index=indexes, step=st.sampled_from(["cancel", "retry", "redrive", "due"]))
    def administer(self, index: int, step: str) -> None:
        """A task is not to run, or once more, or now."""
        self.seen(f"step: {step}")
        task_id = self.task_at(index)
        task = self.known[task_id]
        if step == "cancel":
            self.cancel(task_id)
        elif step == "due":
            made_due = self.rows.make_due([task_id])
            assert made_due == [] or task.state in WAITING
        elif step == "retry":
            again = self.rows.retry_failed([task_id]) == [task_id]
            self._retried(task_id, again and "pending")
        elif (token := self.rows.token_of_failed(task_id)) is not None:
            again = self.rows.retry_dead(task_id, token)
            # A task that never ran has no dead letter.
            if token:
                self._retried(task_id, again and "sent")

    def _retried(self, task_id: str, state: str | bool) -> None:
        """A task runs again if it is over without effect, and its key is free."""
        task = self.known[task_id]
        key = task.call.key
        has_key = [
            other_id
            for other_id, other in self.known.items()
            if key
            and other.has_key
            and other.call.key
            and other_id != task_id
            and other.call.key.value == key.value
        ]
        is_over = task.state in ("failed", "cancelled")
        assert bool(state) == (is_over and not has_key)
        if state:
            task.runs_again(str(state))
            self.seen("a task is retried")
        elif is_over:
            self.seen("another task has the key of one that is retried")
            assert self.rows.have_keys_of([task_id]) == {task_id: has_key[0]}


def test_any_order_of_steps(database: str) -> None:
    class OfDatabase(RowProtocol):
        rows = TaskRows(database)
        times, sequences = Counter(), Counter()

    if backend.name == "sqlite":
        # Most of the time would be that of the disk.
        with connections.autocommit(database) as cursor:
            cursor.execute("PRAGMA synchronous = OFF")
    number = settings().max_examples // 2
    try:
        run_state_machine_as_test(
            OfDatabase, settings=settings(max_examples=number, stateful_step_count=50)
        )
    finally:
        print(report(OfDatabase))
    if number >= MANY:
        assert missing(OfDatabase, REACHED) == []
