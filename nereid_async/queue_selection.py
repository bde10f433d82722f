"""Which queues are meant by some names, of which one may stand for all queues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: In place of a queue's short name: all queues, those included that appear later.
ALL_QUEUES = "*"
#: How the name of a queue ends that keeps the order of each group.
ORDERED = ".fifo"


def is_ordered(queue: str) -> bool:
    """Whether a queue runs the tasks of a group one at a time, in order."""
    return queue.endswith(ORDERED)


def selected(queues: Sequence[str], existing: Iterable[str]) -> list[str]:
    """The short names of queues, with those that ``*`` among them stands for.

    :param existing: short names of the queues that ``*`` stands for.
    """
    named = [queue for queue in queues if queue != ALL_QUEUES]
    if len(named) == len(queues):
        return named
    return [*named, *(queue for queue in existing if queue not in named)]
