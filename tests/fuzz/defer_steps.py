"""Steps of those who defer, maybe a batch: they look, and commit a while later."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from trytond import backend

from nereid_async.database import connections
from nereid_async.rows import BatchRow, Row, UniqueKey
from tests.fuzz.row_machine import WAITING, Batch, Call, RowMachine, Task

#: No more is deferred while there are so many tasks.
TASKS_MAX = 6
BATCHES_MAX = 2
RESULT_TTL_S = 86_400.0
KEYS = [
    UniqueKey("a"),
    UniqueKey("a", replaces=True),
    UniqueKey("a until its finish", "finish"),
]

one_call = st.builds(
    Call,
    key=st.sampled_from([None, None, *KEYS]),
    group=st.sampled_from([None, "a", "a", "b"]),
    ordered=st.booleans(),
    delay_s=st.sampled_from([0, 0, 0, 3_600]),
)
# The later one of a key takes the place of the earlier one, before there is a row.
some_calls = st.lists(
    one_call,
    min_size=1,
    max_size=2,
    unique_by=lambda call: id(call) if call.key is None else call.key.value,
)


@dataclass
class Asker:
    """A transaction that is to defer.

    :ivar batch: id of the batch of which its calls are members.
    :ivar begins: whether that batch begins with it.
    :ivar own_id: id of the task that this transaction is of.
    :ivar found: ids of the tasks that have keys of its calls, as it sees them.
    """

    calls: Sequence[Call]
    connection: Any
    batch: str | None = None
    begins: bool = False
    own_id: str | None = None
    found: dict[str, str] = field(default_factory=dict)

    def waiting_for(self, call: Call) -> str | None:
        """The id of the task that has the key of a call."""
        return None if call.key is None else self.found.get(call.key.value)

    def keeps(self, call: Call) -> bool:
        """Whether a call makes no task, and changes none."""
        replaces = call.key is not None and call.key.replaces
        return self.waiting_for(call) is not None and not replaces


class DeferSteps(RowMachine):
    """Of the tasks with one key one waits, and none that has started takes a call."""

    database: Any

    def __init__(self) -> None:
        super().__init__()
        self.askers: list[Asker] = []
        self._number = 0

    def may_defer(self) -> bool:
        unfinished = [it for it in self.known.values() if it.state in WAITING]
        return len(unfinished) < TASKS_MAX

    @precondition(lambda self: self.may_defer())
    @rule(calls=some_calls, how=st.sampled_from(["alone", "batch", "batch", "apart"]))
    def defer(self, calls: list[Call], how: str) -> None:
        self.seen(f"step: defer {how}")
        if how == "apart":
            for call in calls:
                self.defer_apart(call)
        else:
            self.commit(self.begin_to_defer(calls, how == "batch"))

    @precondition(lambda self: self.may_defer() and len(self.askers) < 2)
    @rule(calls=some_calls, in_batch=st.booleans())
    def look(self, calls: list[Call], in_batch: bool) -> None:
        """A transaction begins, and looks for tasks of its keys."""
        self.seen("step: look")
        self.askers.append(self.begin_to_defer(calls, in_batch))

    @precondition(lambda self: self.askers)
    @rule(index=st.integers(0, 1))
    def vote(self, index: int) -> None:
        self.seen("step: vote")
        self.commit(self.askers.pop(index % len(self.askers)))

    def defer_apart(self, call: Call) -> None:
        """A transaction that only reads defers: the row is written apart."""
        text = self.next_text()
        made = call.message(None)
        if call.key is None:
            self.rows.insert_apart([Row(made, text)], True)
            self.put({made.id: Task(call, text)})
            return
        placed = self.rows.place_apart(
            call.key,
            made.id,
            lambda task_id: Row(call.message(None, task_id), text, call.key),
            True,
        )
        if placed.state is None:
            self.takes_no_other_call(placed.id)
        else:
            self.put({placed.id: Task(call, text)})

    def begin_to_defer(self, calls: list[Call], in_batch: bool) -> Asker:
        asker = Asker(calls, self.database.get_connection())
        if in_batch and len(self.batches) < BATCHES_MAX:
            asker.batch, asker.begins = str(uuid.uuid4()), True
        self.look_for_keys(asker)
        return asker

    def look_for_keys(self, asker: Asker) -> None:
        keys = [call.key.value for call in asker.calls if call.key is not None]
        asker.found = self.rows.waiting(connections.cursor_of(asker), keys)

    def commit(self, asker: Asker) -> None:
        """A transaction commits; or it has to begin again, and commits then."""
        try:
            try:
                written = self.write(asker)
            except backend.DatabaseOperationalError:
                self.seen("a transaction that defers runs again")
                asker.connection.rollback()
                self.look_for_keys(asker)
                written = self.write(asker)
            asker.connection.commit()
        finally:
            self.end_asker(asker)
        self.committed(asker, written)

    def write(self, asker: Asker) -> dict[str, Task]:
        """What a transaction does at its commit; the tasks that it makes or changes."""
        cursor = connections.cursor_of(asker)
        written: dict[str, Task] = {}
        new: list[Row] = []
        replacing: list[Row] = []
        for call in asker.calls:
            found = asker.waiting_for(call)
            if not asker.keeps(call):
                text = self.next_text()
                row = Row(call.message(asker.batch, found), text, call.key)
                (new if found is None else replacing).append(row)
                written[row.message.id] = Task(call, text, asker.batch)
        if asker.begins:
            self._begin_batch(asker, cursor, new, written)
        self.rows.insert(cursor, new, True)
        for row in replacing:
            self.rows.replace(cursor, row, True)
        for call in asker.calls:
            kept = asker.waiting_for(call)
            # A task that has its key until its finish gives it up just now.
            if kept is not None and asker.keeps(call) and kept != asker.own_id:
                self.rows.keep(cursor, kept, True)
        return written

    def _begin_batch(
        self, asker: Asker, cursor: Any, new: list[Row], written: dict[str, Task]
    ) -> None:
        """Write a batch; one without members has ended, and calls at once."""
        is_empty = not written
        if is_empty:
            self.seen("a batch begins without members")
            then = Call().message(None)
            new.append(Row(then, "then"))
            written[then.id] = Task(Call(), "then")
        row = BatchRow(
            str(asker.batch),
            "batch",
            1,
            then="then",
            on_failure="failure",
            ended=is_empty,
        )
        self.rows.insert_batches(cursor, [row], RESULT_TTL_S)

    def committed(self, asker: Asker, written: dict[str, Task]) -> None:
        """Know what has committed."""
        if asker.begins and asker.batch is not None:
            ended = all(task.batch is None for task in written.values())
            self.batches[asker.batch] = (
                Batch(counts=(0, 0, 0), calls=["then"]) if ended else Batch()
            )
        for call in asker.calls:
            kept = asker.waiting_for(call)
            if kept is not None and asker.keeps(call) and kept != asker.own_id:
                self.takes_no_other_call(kept)
        self.put(written)

    def put(self, written: dict[str, Task]) -> None:
        """Know new tasks, and others with another call, which keep their place."""
        for task_id, task in written.items():
            task.has_key = task.call.key is not None
            earlier = self.known.get(task_id)
            if earlier is not None:
                self.seen("a waiting task is replaced")
                assert earlier.has_key and earlier.state in WAITING
                task.state, task.has_run = earlier.state, earlier.has_run
                task.asked = earlier.asked
                if earlier.batch not in (None, task.batch):
                    self.seen("a member leaves its batch, replaced")
            if task.batch is not None and task.call.key is not None:
                self.seen("a member has a key")
            if task.batch is not None and task.order is not None:
                self.seen("a member is in an ordered group")
        self.known |= written

    def takes_no_other_call(self, task_id: str) -> None:
        """A call was dropped since this task stands for it: it has not started."""
        task = self.known[task_id]
        self.seen("a waiting task is kept")
        until_finish = task.call.key is not None and task.call.key.until == "finish"
        assert task.has_key and (task.state in WAITING or until_finish)

    def next_text(self) -> str:
        self._number += 1
        return f"call {self._number}"

    def end_asker(self, asker: Asker) -> None:
        asker.connection.rollback()
        self.database.put_connection(asker.connection)
