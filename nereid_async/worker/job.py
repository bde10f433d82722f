"""A message in a worker's hands."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from ..brokers.base import Delivery
from ..messages.message import Message, Unproven, unproven
from ..rows import Claim, UnreadMessage
from ..runtime import Runtime
from .delivery_row import DeliveryRow, unread_row

#: Of a task that may be tried so often, one attempt may go by unused.
ATTEMPTS_TO_SPARE = 3


_LOST = float("-inf")


class Lease:
    """For how long nobody else gets the task, as far as this process knows.

    :ivar ends_at_s: until when it holds, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.ends_at_s = float("inf")

    def extended(self, from_s: float, timeout_s: float) -> None:
        """Note that it holds for ``timeout_s`` seconds from ``from_s`` on."""
        self.ends_at_s = from_s + timeout_s

    def lost(self) -> bool:
        """Note that somebody else may have the task; whether that is news."""
        before_s, self.ends_at_s = self.ends_at_s, _LOST
        return before_s != _LOST

    @property
    def over(self) -> bool:
        """Whether it was lost, or ended without having been extended in time."""
        return time.monotonic() >= self.ends_at_s


class Held(Protocol):
    """What is to be settled: a job, or what did not become one."""

    @property
    def delivery(self) -> Delivery:
        """How it came."""

    @property
    def row(self) -> DeliveryRow:
        """Its row, if it has one."""

    @property
    def reply_to(self) -> str | None:
        """The task's id, where its owner waits for an outcome."""


@dataclass(frozen=True)
class Unread:
    """A delivery that is no message, or none that this worker can read."""

    delivery: Delivery
    runtime: Runtime = field(repr=False, compare=False)

    @cached_property
    def row(self) -> DeliveryRow:
        """Its row, if it says which that is."""
        return unread_row(self.delivery, self.unread, self.runtime)

    @cached_property
    def says(self) -> Unproven:
        """What it says of itself: all of it is read for that, so once."""
        return unproven(self.delivery.text)

    @property
    def unread(self) -> UnreadMessage | None:
        """The message, if it says whose it is."""
        task_id = None if self.delivery.claim else self.says.id
        return None if task_id is None else UnreadMessage(task_id, self.delivery.text)

    @property
    def reply_to(self) -> None:
        """Nobody: what was not read is not believed."""
        return None

    def __str__(self) -> str:
        task = ""
        if self.delivery.claim is not None:
            task = f" (task {self.delivery.claim.id})"
        elif self.unread is not None:
            task = f" (of task {self.unread.id}, as it says)"
        size_bytes = len(self.delivery.text)
        return f"message of {size_bytes} bytes in queue {self.delivery.queue}{task}"


@dataclass(frozen=True)
class Job:
    """One message to be run.

    :ivar row: what is written of it.
    :ivar lease: that of the message; with a claim, the row decides instead.
    :ivar claim_lease: that of the claim.
    """

    delivery: Delivery
    message: Message
    row: DeliveryRow
    lease: Lease = field(default_factory=Lease, compare=False)
    claim_lease: Lease = field(default_factory=Lease, compare=False)

    @property
    def attempt(self) -> int:
        """Which attempt the next run is, from 1."""
        return self.row.attempts + 1

    @property
    def claim(self) -> Claim | None:
        """The claim on its row; None for a message without a row."""
        return self.row.claim

    @property
    def guard(self) -> Lease:
        """What has to hold for the run to be this worker's."""
        return self.lease if self.claim is None else self.claim_lease

    @property
    def may_be_handed_back(self) -> bool:
        """Whether it costs little to let another worker have what has not begun here.

        Without a row each receipt is an attempt: one may go by unused, as where a claim
        is the start.
        """
        return self.row.spares_attempts or (
            self.attempt == 1 and self.message.max_attempts >= ATTEMPTS_TO_SPARE
        )

    @property
    def reply_to(self) -> str | None:
        """The task's id, where its owner waits for an outcome."""
        return self.message.id if self.message.keep_result else None

    def __str__(self) -> str:
        return f"task {self.message.id} ({self.message.target.name})"
