"""What the machine of the row protocol knows, and checks after each of its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from devtools.messages import message
from nereid_async.database import connections
from nereid_async.messages.message import Message
from nereid_async.rows import TaskRows, UniqueKey

#: The queue of tasks in order, and the other one.
ORDERED, PLAIN = "q.fifo", "q"
WAITING = ("pending", "sent")
UNFINISHED = (*WAITING, "running")
FINISHED = ("done", "failed", "cancelled")

#: The states that may follow each, unless the task is run again.
AFTER = {
    "pending": ("pending", "sent", "running", "failed", "cancelled"),
    "sent": ("pending", "sent", "running", "cancelled"),
    "running": (*UNFINISHED, *FINISHED),
    **{state: (state,) for state in FINISHED},
}


@dataclass(frozen=True)
class Call:
    """What somebody defers."""

    key: UniqueKey | None = None
    group: str | None = None
    ordered: bool = False
    delay_s: int = 0

    def message(self, batch: str | None, task_id: str | None = None) -> Message:
        """The message of it, with an id of its own or a given one."""
        own = {} if task_id is None else {"id": task_id}
        return message(
            ORDERED if self.ordered else PLAIN,
            group=self.group,
            delay_s=self.delay_s,
            max_attempts=1_000,
            batch=batch,
            **own,
        )


@dataclass
class Task:
    """A task, as those who deferred it know it.

    :ivar has_key: whether no other one can wait with its key.
    :ivar has_run: whether it was claimed before.
    :ivar asked: whether a run of it was asked to stop.
    """

    call: Call
    text: str = "text"
    batch: str | None = None
    state: str = "pending"
    has_key: bool = False
    has_run: bool = False
    asked: bool = False

    @property
    def order(self) -> str | None:
        """The group in which it has its turn."""
        return self.call.group if self.call.ordered else None

    def turned(self, state: str) -> None:
        """Its row has this state now."""
        self.state = state
        self.has_run |= state == "running"
        key = self.call.key
        started = state == "running" and key is not None and key.until == "start"
        if started or state in FINISHED:
            self.has_key = False

    def runs_again(self, state: str) -> None:
        """Somebody has requeued it."""
        self.state, self.has_key = state, self.call.key is not None
        self.asked = False


@dataclass
class Batch:
    """A batch, as those who look at it know it.

    :ivar counts: numbers of members done, failed and cancelled, once it has ended.
    :ivar calls: what it has called.
    """

    cancelled: bool = False
    counts: tuple[int, int, int] | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """What its row says."""
        if self.counts is None:
            return "running"
        return "cancelled" if self.cancelled else "done"

    @property
    def expected_calls(self) -> list[str]:
        """What it calls at its end."""
        if self.counts is None or self.cancelled:
            return []
        return ["then", "failure"] if self.counts[1] else ["then"]


class RowMachine(RuleBasedStateMachine):
    """Compares the rows with what is known of them."""

    rows: TaskRows
    #: How often each thing was seen, and in how many sequences.
    times: ClassVar[Counter[str]]
    sequences: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        #: All tasks, in the order of their commits.
        self.known: dict[str, Task] = {}
        self.batches: dict[str, Batch] = {}
        self._seen: set[str] = set()
        self.seen("a sequence")

    def seen(self, what: str) -> None:
        """Count something that is to be reached."""
        self.times[what] += 1
        self.sequences[what] += what not in self._seen
        self._seen.add(what)

    def select(self, statement: str, *parameters: Any) -> list[Any]:
        """Rows, as anybody sees them now."""
        with connections.autocommit(self.rows.database) as cursor:
            self.rows.execute(cursor, statement, parameters)
            return list(cursor.fetchall())

    def task_at(self, index: int) -> str:
        return [*self.known][index % len(self.known)]

    def members(self, batch_id: str) -> dict[str, Task]:
        return {it: task for it, task in self.known.items() if task.batch == batch_id}

    # -- what holds ----------------------------------------------------------------

    @invariant()
    def rows_are_as_known(self) -> None:
        self._look_at_tasks()
        self._look_at_batches()
        self._look_at_keys()
        self._look_at_groups()

    def _look_at_tasks(self) -> None:
        """None is lost or doubled; one effect of what is done, and none of others."""
        found = self.select(
            "SELECT t.uuid, t.state, t.queue, t.group_name, t.batch, t.unique_until, "
            "(SELECT count(*) FROM async_test_entry e WHERE e.label = t.uuid) "
            "FROM async_task t"
        )
        assert sorted(uuid for uuid, *_ in found) == sorted(self.known)
        for uuid, state, queue, group, batch, until, effects in found:
            task = self.known[uuid]
            assert state in AFTER[task.state], (uuid, task, state)
            task.turned(state)
            assert (queue == ORDERED, group) == (task.call.ordered, task.call.group)
            assert batch == task.batch
            assert effects == (state == "done"), (uuid, task, effects)
            has_key = until is not None and state in UNFINISHED
            assert has_key == task.has_key, (uuid, task, until)

    def _look_at_keys(self) -> None:
        """One has a key; with a running one another waits."""
        having = [it for it in self.known.values() if it.has_key]
        values = [it.call.key.value for it in having if it.call.key]
        assert len(values) == len(set(values)), having
        for task in self.known.values():
            key = task.call.key
            if key and task.state == "running" and not task.has_key:
                if key.value in values:
                    self.seen("a task runs, and one with its key waits")

    def _look_at_groups(self) -> None:
        """One of a group runs at a time."""
        groups: dict[str, list[Task]] = {}
        for task in self.known.values():
            if task.order is not None and task.state in UNFINISHED:
                groups.setdefault(task.order, []).append(task)
        for first, *others in groups.values():
            assert [it.state for it in (first, *others)].count("running") <= 1
            if others and first.has_run and first.state in WAITING:
                self.seen("a failed first of a group waits before others")

    def _look_at_batches(self) -> None:
        """Each calls once, at its end, and what it has counted stays."""
        found = self.select(
            "SELECT uuid, state, done, failed, cancelled FROM async_batch"
        )
        assert {uuid: state for uuid, state, *_ in found} == {
            uuid: batch.state for uuid, batch in self.batches.items()
        }
        for uuid, state, *counts in found:
            batch = self.batches[uuid]
            assert state == "running" or tuple(counts) == batch.counts
            assert batch.calls == batch.expected_calls, batch

    def is_its_turn(self, task_id: str) -> None:
        """No earlier task of its group was unfinished when it was claimed."""
        order = self.known[task_id].order
        for earlier, task in self.known.items():
            if earlier == task_id or order is None:
                return
            assert task.order != order or task.state not in UNFINISHED, (earlier, task)


def report(machine: type[RowMachine]) -> str:
    """What the sequences of a machine have seen, and how often."""
    lines = [
        f"{machine.times[what]:>9} times, in {machine.sequences[what]:>5} sequences: "
        f"{what}"
        for what in sorted(machine.times)
    ]
    return "\n".join(lines)


def missing(machine: type[RowMachine], wanted: Iterable[str]) -> list[str]:
    """What no sequence has seen of what is to be reached."""
    return [what for what in wanted if not machine.times[what]]
