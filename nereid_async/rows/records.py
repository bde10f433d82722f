"""Records of rows and claims, as Python has them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..limits import ATTEMPTS_TO_SPARE
from ..messages.message import Message
from ..messages.outcome import Failure, State
from ..queue_selection import is_ordered


@dataclass(frozen=True)
class UniqueKey:
    """What a task must have to itself while it waits.

    :ivar value: digest of the task's name and key, and of the owner if it has one.
    :ivar until: until when the task has it: its ``"start"`` or its ``"finish"``.
    :ivar replaces: whether a call replaces the waiting task of this key; else that
        task stands, and the call makes none.
    """

    value: str
    until: str = "start"
    replaces: bool = False


@dataclass(frozen=True)
class Row:
    """A row to be written: a message and its signed text.

    :ivar unique: what only one waiting row may have; None for nothing.
    """

    message: Message
    text: str
    unique: UniqueKey | None = None

    @property
    def is_ordered(self) -> bool:
        """Whether its queue keeps the order of its group."""
        return is_ordered(self.message.queue)

    @property
    def columns(self) -> dict[str, Any]:
        """The values of columns that most rows leave NULL, by name."""
        message, unique = self.message, self.unique
        values = {
            "key": message.key,
            "group_name": message.group,
            "batch": message.batch,
            "ordered_group": message.group if self.is_ordered else None,
            "counts_at_start": message.max_attempts < ATTEMPTS_TO_SPARE or None,
        }
        if unique is not None:
            values |= {"unique_key": unique.value, "unique_until": unique.until}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class BatchRow:
    """The row of a batch to be written.

    :ivar user: id of the Tryton user who defers it.
    :ivar cancellable: whether its owner may cancel it from the browser.
    :ivar then: the call to defer at its end, as signed text; None for none.
    :ivar on_failure: the call to defer as well if a member has failed.
    :ivar ended: whether it has no members, so that it has ended.
    """

    id: str
    name: str
    user: int
    cancellable: bool = False
    then: str | None = None
    on_failure: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class EndedBatch:
    """A batch of which no member is left.

    :ivar state: DONE or CANCELLED.
    :ivar done: number of members that were done.
    :ivar failed: number of members that have failed.
    :ivar cancelled: number of members that were cancelled.
    """

    id: str
    name: str
    state: State
    done: int = 0
    failed: int = 0
    cancelled: int = 0


class OpenBatches(NamedTuple):
    """The batches that have members left.

    :ivar number: how many there are.
    :ivar oldest_s: since when the oldest one is open, in seconds; 0 if there is none.
    """

    number: int = 0
    oldest_s: float = 0.0


class ListedBatch(NamedTuple):
    """A batch in a list; times are in UTC.

    :ivar total: number of its members; the numbers before it are those that have ended.
    """

    id: str
    name: str
    state: str
    done: int
    failed: int
    cancelled: int
    total: int
    user: int
    deferred_at: Any
    finished_at: Any


@dataclass(frozen=True)
class UnsentRow:
    """A committed row of which a message is to be sent.

    :ivar name: name of the task, for logs.
    :ivar text: the call; None if it is a long one, see :meth:`.TaskRows.text_of`.
    :ivar due_in_s: seconds until it is due, 0 if it is due.
    :ivar late_s: seconds since it could have been sent.
    :ivar refused: whether the queue service has refused it before.
    :ivar group: the task's group; None for none.
    """

    id: str
    queue: str
    name: str
    text: str | None
    due_in_s: float = 0.0
    late_s: float = 0.0
    refused: bool = False
    group: str | None = None


@dataclass(frozen=True)
class CancelRequest:
    """The request to stop the run of a task.

    :ivar interrupt: whether to interrupt it if it does not stop by itself.
    """

    interrupt: bool = False

    @classmethod
    def of(cls, requested: Any, interrupt: Any) -> CancelRequest | None:
        """The request in the columns of a run; None if there is none."""
        return None if requested is None else cls(bool(interrupt))


@dataclass(frozen=True)
class Claim:
    """A task claimed for one run.

    :ivar token: guards every write of the run.
    :ivar attempt: number of attempts counted before this run.
    :ivar started: whether the claim has counted the attempt of this run already.
    :ivar held_until_s: end of the lease without a heartbeat, by the monotonic clock of
        this process; early rather than late.
    :ivar cancelled: whether an earlier run was asked to stop: the task must not run.
    """

    id: str
    token: str
    attempt: int
    queue: str = ""
    text: str = ""
    started: bool = False
    held_until_s: float = field(default=float("inf"), compare=False)
    cancelled: bool = False


@dataclass(frozen=True)
class FailedAttempt:
    """One run that has failed.

    :ivar failure: what it has raised.
    :ivar attempt: which attempt it was, from 1.
    :ivar counted: whether it counts towards ``max_attempts``; not if the database cut
        it short, or the task asked for that.
    :ivar worker: who ran it; known when it is read.
    :ivar failed_at: when, in UTC; known when it is read.
    """

    failure: Failure
    attempt: int
    counted: bool = True
    worker: str = ""
    failed_at: dt.datetime | None = None


@dataclass(frozen=True)
class Starts:
    """Lets claims count the attempt at once.

    That saves one UPDATE per task. Its cost: a worker killed before the task starts
    uses up one attempt. Therefore it is accepted of tasks that have not run yet, at
    most once a task, and not of those with less than ``ATTEMPTS_TO_SPARE`` attempts
    (whose rows say ``counts_at_start``); or of all if they start at once.

    :ivar worker: name of the worker that starts them.
    :ivar at_once: whether a thread is free for each of them.
    """

    worker: str
    at_once: bool = False
