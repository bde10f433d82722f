"""Helpers of the commands that pause and resume queues."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .queue_selection import ALL_QUEUES
from .rows import RunningTask, TaskRows

#: Workers notice a pause within this time; until then they may claim a task.
NOTICED_WITHIN_S = 2.0
_LOOK_PAUSE_S = 0.25


def described(queue: str) -> str:
    """The name of a queue, or of all queues, in the output of a command."""
    return "all queues" if queue == ALL_QUEUES else f"queue {queue}"


def wait_until_idle(
    rows: TaskRows,
    queues: Sequence[str],
    timeout_s: float | None,
    tell: Callable[[RunningTask], None],
) -> list[RunningTask]:
    """Wait until no task of queues that were just paused runs any more.

    :param queues: short names, or ``*``.
    :param timeout_s: longest wait, in seconds; None for any.
    :param tell: called once for each task that is waited for.
    :returns: the tasks that still run after the time-out; none otherwise.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    began_s = time.monotonic()
    told: set[str] = set()
    while True:
        running = rows.running_tasks(queues)
        for task in running:
            if task.id not in told:
                told.add(task.id)
                tell(task)
        waited_s = time.monotonic() - began_s
        if not running and waited_s >= NOTICED_WITHIN_S:
            return []
        if timeout_s is not None and running and waited_s >= timeout_s:
            return running
        time.sleep(_LOOK_PAUSE_S)
