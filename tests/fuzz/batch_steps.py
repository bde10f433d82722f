"""Steps of batches: they grow, are cancelled, and end when somebody looks."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from nereid_async.messages.outcome import State
from nereid_async.rows import EndedBatch, Row
from tests.fuzz.defer_steps import RESULT_TTL_S, Asker, DeferSteps
from tests.fuzz.row_machine import UNFINISHED, WAITING, Call, Task

MEMBERS_MAX = 6
COUNTED = ("done", "failed", "cancelled")


class BatchSteps(DeferSteps):
    """Each batch makes its calls once, when no member is left; a cancelled one none."""

    @precondition(lambda self: self.batches)
    @rule(
        index=st.integers(0, 1),
        step=st.sampled_from(["look", "look", "sweep", "cancel"]),
    )
    def settle_batch(self, index: int, step: str) -> None:
        self.seen(f"step: {step} at batch")
        batch_id = [*self.batches][index % len(self.batches)]
        if step == "cancel":
            self.cancel_batch(batch_id)
        else:
            ids = self.rows.batches_to_end(10) if step == "sweep" else [batch_id]
            self.look_at_batches(ids)
        if step == "sweep":
            self.rows_are_as_known()
            # Those that have come since the cancel, too.
            for task in self.known.values():
                batch = self.batches.get(task.batch or "")
                if batch is not None and batch.cancelled and batch.counts is None:
                    assert task.state not in WAITING

    def look_at_batches(self, ids: Sequence[str]) -> None:
        """Somebody who has ended a member looks, or the sweep."""
        for batch_id in ids:
            self.status_is_true(batch_id)
            if self.rows.look_at_batch(batch_id) == (True, True):
                self.cancel_members(batch_id)
            self.end_batch(batch_id, Call(group="a", ordered=True))

    def cancel_batch(self, batch_id: str) -> None:
        batch = self.batches[batch_id]
        assert str(self.rows.cancel_batch(batch_id)) == batch.state
        if batch.counts is None:
            batch.cancelled = True
            self.cancel_members(batch_id)

    def cancel_members(self, batch_id: str) -> None:
        self.rows.cancel_members(batch_id)
        self.rows_are_as_known()
        for task in self.members(batch_id).values():
            assert task.state not in WAITING
            if task.state == "running":
                task.asked = True
                self.seen("a batch is cancelled while a member runs")
        unasked = self.select(
            "SELECT 1 FROM async_task t JOIN async_run r ON r.uuid = t.uuid WHERE "
            "t.batch = {p} AND t.state = 'running' AND r.cancel_requested_at IS NULL",
            batch_id,
        )
        assert unasked == []

    def end_batch(self, batch_id: str, call: Call) -> None:
        """End a batch if no member is left.

        :param call: how it calls what it does at its end.
        """
        batch, made = self.batches[batch_id], {}

        def callback(text: str) -> Row:
            called = call.message(None)
            made[called.id] = Task(call, text)
            return Row(called, text)

        ended = self.rows.end_batch(batch_id, RESULT_TTL_S, callback, True)
        if ended is None:
            assert not made
            return
        self.seen(f"a batch is {ended.state}")
        if len(made) > 1:
            self.seen("a batch calls on_failure")
        assert batch.counts is None, "it has ended before"
        batch.counts = self._counted(batch_id, ended)
        batch.calls = [task.text for task in made.values()]
        self.put(made)

    def _counted(self, batch_id: str, ended: EndedBatch) -> tuple[int, int, int]:
        states = [task.state for task in self.members(batch_id).values()]
        assert not any(state in UNFINISHED for state in states)
        done, failed, cancelled = (states.count(it) for it in COUNTED)
        assert (ended.done, ended.failed, ended.cancelled) == (done, failed, cancelled)
        return done, failed, cancelled

    def status_is_true(self, batch_id: str) -> None:
        """What a browser is told of a batch is what has become of its members."""
        batch, status = self.batches[batch_id], self.rows.batch_status(batch_id)
        assert status is not None
        assert str(status.state) == batch.state
        if batch.counts is not None:
            told = None if status.outcome is None else status.outcome.value
            counts = dict(zip(COUNTED, batch.counts, strict=True))
            assert told == (None if batch.cancelled else counts)
            return
        states = [task.state for task in self.members(batch_id).values()]
        ended = [state for state in states if state not in UNFINISHED]
        progress = status.progress
        assert progress is not None
        assert (progress.done, progress.total) == (len(ended), len(states))
        assert progress.failed == states.count(State.FAILED.value)

    def grow(self, task_id: str, connection: object, calls: Sequence[Call]) -> Asker:
        """What a task defers in its own transaction: members of its batch, too."""
        asker = Asker(calls, connection, own_id=task_id)
        if len(self.members(self.known[task_id].batch or "")) < MEMBERS_MAX:
            asker.batch = self.known[task_id].batch
        self.look_for_keys(asker)
        return asker

    def is_cancelling(self, batch_id: str | None) -> bool:
        """Whether a batch is cancelled, and has not ended yet."""
        batch = self.batches.get(batch_id or "")
        return batch is not None and batch.cancelled and batch.counts is None

    def grown(self, asker: Asker, written: dict[str, Task]) -> None:
        """That transaction has committed."""
        self.committed(asker, written)
        if asker.batch is None or not written:
            return
        self.seen("a member defers into its batch")
        if self.is_cancelling(asker.batch):
            self.seen("a member defers into its batch, which was cancelled")
        others = [
            task
            for task_id, task in self.members(asker.batch).items()
            if task_id not in (asker.own_id, *written)
        ]
        if not any(task.state in UNFINISHED for task in others):
            self.seen("the last member of a batch defers into it")

    def end_batches(self) -> None:
        """The sweep ends all batches of which no member is left."""
        self.look_at_batches(self.rows.batches_to_end(10))
        for batch_id, batch in self.batches.items():
            states = [task.state for task in self.members(batch_id).values()]
            is_left = any(state in UNFINISHED for state in states)
            assert is_left or batch.counts is not None
            # A second look, as of another who has ended a member, has no effect.
            self.end_batch(batch_id, Call())
