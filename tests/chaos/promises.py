"""What groups, keys and batches promise, held against what came of it: pure counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def out_of_order(committed: Sequence[tuple[str, str]], effects: Sequence[str]) -> int:
    """How many effects came after that of a later one of their group.

    :param committed: group and id of each task, in the order of the commits.
    :param effects: ids of tasks, in the order of their effects.
    """
    places = {task_id: (group, n) for n, (group, task_id) in enumerate(committed)}
    last: dict[str, int] = {}
    late = 0
    for group, place in (places[it] for it in effects if it in places):
        late += place < last.get(group, -1)
        last[group] = max(place, last.get(group, -1))
    return late


def repeated(effects: Sequence[str]) -> int:
    """How many effects there are beyond the first of each task.

    :param effects: the id of the task of each.
    """
    return len(effects) - len(set(effects))


def swallowed(
    events: Iterable[tuple[int, str]], seen: Mapping[str, Collection[int]]
) -> int:
    """How many events were not seen by the task that was to see them.

    :param events: the id of each, and that of the task that was deferred or found
        waiting for it.
    :param seen: by the ids of tasks, the events that their run has seen.
    """
    return sum(event not in seen.get(task_id, ()) for event, task_id in events)


def waited_twice(spans: Iterable[tuple[str, Any, Any]]) -> int:
    """How many tasks came to wait while another one of their key did.

    :param spans: the key of each task, when it was committed, and when it was claimed
        first; None if it never was.
    """
    until: dict[str, Any] = {}
    both = 0
    for key, committed_at, claimed_at in sorted(spans, key=lambda span: span[:2]):
        before = until.get(key, committed_at)
        both += before is None or committed_at < before
        ends = (before, claimed_at)
        until[key] = None if None in ends else max(ends)
    return both


@dataclass(frozen=True)
class Batch:
    """A batch that was committed.

    :ivar state: how it has ended; ``running`` if it has not.
    :ivar may_be_cancelled: whether somebody wanted to cancel it.
    :ivar failed: whether a member has failed.
    :ivar last: place of the last effect of its members, among all effects.
    """

    state: str
    may_be_cancelled: bool
    failed: bool
    last: int


@dataclass(frozen=True)
class Callback:
    """A call of a batch that has run.

    :ivar on_failure: whether it is that, or ``then``.
    :ivar left: how many members it found unfinished.
    :ivar place: its place among all effects.
    """

    batch_id: str
    on_failure: bool
    left: int
    place: int


@dataclass(frozen=True)
class Callbacks:
    """What became of the calls of batches, in numbers.

    :ivar twice: runs beyond those that are due.
    :ivar never: runs that were due and have not come.
    :ivar early: runs while a member was left.
    """

    twice: int
    never: int
    early: int


def callbacks(batches: dict[str, Batch], ran: Sequence[Callback]) -> Callbacks:
    """Hold what batches have called against what they were to call.

    :param batches: by their ids.
    """
    due: Counter[tuple[str, bool]] = Counter()
    for batch_id, batch in batches.items():
        if not (batch.state == "cancelled" and batch.may_be_cancelled):
            due[batch_id, False] = 1
            due[batch_id, True] = int(batch.failed)
    came = Counter((it.batch_id, it.on_failure) for it in ran)
    early = sum(
        it.left > 0 or (it.batch_id in batches and it.place < batches[it.batch_id].last)
        for it in ran
    )
    return Callbacks((came - due).total(), (due - came).total(), early)
