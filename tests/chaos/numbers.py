"""How a storm ended, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Numbers:
    """How a storm ended.

    :ivar kills: processes that were killed.
    :ivar outages: kills aside, what went wrong around the tasks.
    :ivar duplicates_delivered: copies of messages that were put in the queue, and
        runs that were begun beyond those that committed.
    :ivar lost: deferrals that were committed and had no effect.
    :ivar doubled: effects beyond the first of each deferral.
    :ivar unasked: effects of deferrals, or attempts, that were rolled back.
    :ivar failed: tasks that were given up, beyond those that are to be.
    :ivar cancelled: tasks that were cancelled.
    :ivar cancelled_and_done: those that had their effect all the same.
    :ivar cancels_broken: those that ended otherwise than ``cancel()`` has said.
    :ivar threads_lost: threads of the workers that run nothing any more.
    """

    tasks: int
    kills: int
    duplicates_delivered: int
    lost: int
    doubled: int
    unasked: int
    outages: int = 0
    failed: int = 0
    threads_lost: int = 0
    cancelled: int = 0
    cancelled_and_done: int = 0
    cancels_broken: int = 0

    def lines(self) -> Iterator[str]:
        """One line a number, those that must be none last."""
        yield f"tasks: {self.tasks}"
        yield f"kills: {self.kills}"
        yield f"outages: {self.outages}"
        yield f"duplicates delivered: {self.duplicates_delivered}"
        yield f"ran after a rollback: {self.unasked}"
        yield f"failed: {self.failed}"
        yield f"threads lost: {self.threads_lost}"
        yield f"cancelled: {self.cancelled}"
        yield f"cancelled otherwise than told: {self.cancels_broken}"
        yield f"cancelled and done: {self.cancelled_and_done}"
        yield f"lost: {self.lost}"
        yield f"doubled: {self.doubled}"


@dataclass(frozen=True)
class Event:
    """Something that went wrong.

    :ivar ended_s: when it was over, in seconds since the epoch.
    """

    kind: str
    ended_s: float
