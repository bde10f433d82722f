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
    :ivar ordered: tasks of groups in a queue that keeps their order.
    :ivar out_of_order: effects after that of a later one of their group.
    :ivar events: what tasks with keys were to see.
    :ivar swallowed: events that the run of their task has not seen.
    :ivar waited_twice: tasks that waited while another one of their key did.
    :ivar batches: batches that were committed.
    :ivar callbacks_twice: calls of batches beyond those that are due.
    :ivar callbacks_never: those that were due, and have not run.
    :ivar callbacks_early: those that ran while a member was left.
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
    ordered: int = 0
    out_of_order: int = 0
    events: int = 0
    swallowed: int = 0
    waited_twice: int = 0
    batches: int = 0
    callbacks_twice: int = 0
    callbacks_never: int = 0
    callbacks_early: int = 0

    def lines(self) -> Iterator[str]:
        """One line a number, those that must be none last."""
        yield f"tasks: {self.tasks}"
        yield f"in ordered groups: {self.ordered}"
        yield f"events of keys: {self.events}"
        yield f"batches: {self.batches}"
        yield f"kills: {self.kills}"
        yield f"outages: {self.outages}"
        yield f"duplicates delivered: {self.duplicates_delivered}"
        yield f"ran after a rollback: {self.unasked}"
        yield f"failed: {self.failed}"
        yield f"threads lost: {self.threads_lost}"
        yield f"cancelled: {self.cancelled}"
        yield f"cancelled otherwise than told: {self.cancels_broken}"
        yield f"events swallowed: {self.swallowed}"
        yield f"waited twice with one key: {self.waited_twice}"
        yield f"callbacks before the end: {self.callbacks_early}"
        yield f"lost: {self.lost}"
        yield f"doubled: {self.doubled}"
        yield f"out of order: {self.out_of_order}"
        yield f"cancelled and done: {self.cancelled_and_done}"
        yield f"callbacks run twice: {self.callbacks_twice}"
        yield f"callbacks never run: {self.callbacks_never}"


@dataclass(frozen=True)
class Event:
    """Something that went wrong.

    :ivar ended_s: when it was over, in seconds since the epoch.
    """

    kind: str
    ended_s: float
