"""Steps of batches: they begin, grow, are cancelled, and end when somebody looks."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from devtools.messages import message
from nereid_async.messages.outcome import State
from nereid_async.rows import BatchRow, Row
from tests.fuzz.unique_steps import UniqueSteps
from tests.helpers import query

BATCHES_MAX = 2
_LEFT = (
    "SELECT count(*) FROM async_task "
    "WHERE batch = '{}' AND state IN ('pending', 'sent', 'running')"
)


class BatchSteps(UniqueSteps):
    """Each batch makes its call once, when no member is left; a cancelled one none."""

    def __init__(self) -> None:
        super().__init__()
        #: The batches by the ids of their members.
        self.batch_of: dict[str, str] = {}
        #: The calls of each batch at its end.
        self.called: dict[str, list[str]] = {}

    @precondition(lambda self: len(self.called) < BATCHES_MAX)
    @rule(size=st.integers(1, 2))
    def begin_batch(self, size: int) -> None:
        batch_id = str(uuid.uuid4())
        members = [message(max_attempts=1_000, batch=batch_id) for _ in range(size)]
        rows = [Row(it, "text") for it in members]
        batch = BatchRow(batch_id, "batch", 1, then="then")
        self.rows.insert_apart(rows, False, [batch], 60.0)
        self.called[batch_id] = []
        for member in members:
            self.ids.append(member.id)
            self.batch_of[member.id] = batch_id

    @precondition(lambda self: self.called)
    @rule(index=st.integers(0, 1), sweeps=st.booleans())
    def look_at_batch(self, index: int, sweeps: bool) -> None:
        """Somebody who has ended a member, or the sweep."""
        batches = list(self.called)
        found = (
            self.rows.batches_to_end(10) if sweeps else [batches[index % len(batches)]]
        )
        for batch_id in found:
            look = self.rows.look_at_batch(batch_id)
            if look == (True, True):
                self.rows.cancel_members(batch_id)
            self.end_batch(batch_id)

    @precondition(lambda self: self.called)
    @rule(index=st.integers(0, 1))
    def cancel_batch(self, index: int) -> None:
        batch_id = [*self.called][index % len(self.called)]
        if self.rows.cancel_batch(batch_id) is State.RUNNING:
            self.rows.cancel_members(batch_id)

    def end_batch(self, batch_id: str) -> None:
        made: list[str] = []

        def callback(text: str) -> Row:
            assert text == "then"
            call = message(max_attempts=1_000)
            made.append(call.id)
            return Row(call, "text")

        ended = self.rows.end_batch(batch_id, 60.0, callback, False)
        if ended is None:
            assert not made
            return
        event(f"a batch is {ended.state}")
        assert query(self.rows.database, _LEFT.format(batch_id)) == [(0,)]
        members = [it for it, batch in self.batch_of.items() if batch == batch_id]
        assert ended.done + ended.failed + ended.cancelled == len(members)
        assert len(made) == (ended.state is State.DONE)
        self.called[batch_id] += made
        self.ids += made

    def grow(self, member_id: str, cursor: Any) -> str | None:
        """A member defers into its own batch, in its own transaction; the new id."""
        batch_id = self.batch_of.get(member_id)
        if batch_id is None or len(self.batch_of) > 6:
            return None
        made = message(max_attempts=1_000, batch=batch_id)
        self.rows.insert(cursor, [Row(made, "text")], False)
        return made.id

    def grown(self, member_id: str, made: str | None) -> None:
        """The transaction of a member has committed, with what it has deferred."""
        if made is not None:
            self.ids.append(made)
            self.batch_of[made] = self.batch_of[member_id]

    @invariant()
    def a_batch_calls_once_at_its_end(self) -> None:
        states = query(self.rows.database, "SELECT uuid, state FROM async_batch")
        assert {uuid: state == "done" for uuid, state in states} == {
            batch_id: len(calls) == 1 for batch_id, calls in self.called.items()
        }

    def end_batches(self) -> None:
        """The sweep ends all batches of which no member is left."""
        self.look_at_batch(0, sweeps=True)
        open_ = "SELECT count(*) FROM async_batch WHERE state = 'running'"
        assert query(self.rows.database, open_) == [(0,)]
        # A second look, as of another who has ended a member, has no effect.
        for batch_id in self.called:
            self.end_batch(batch_id)
