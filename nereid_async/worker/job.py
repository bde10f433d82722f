"""Jobs: messages in flight, with the claims and leases that hold them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from ..brokers.base import Delivery
from ..limits import ATTEMPTS_TO_SPARE
from ..messages.message import Message
from ..messages.pointer import Pointer
from ..messages.unverified import Unverified, unverified
from ..rows import CancelRequest, Claim
from ..runtime import Runtime
from .delivery_row import DeliveryRow, NoRow, row_of

_LOST = float("-inf")


class Lease:
    """Until when no other worker gets the task, as far as this process knows.

    :ivar ends_at_s: when the lease ends, in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.ends_at_s = float("inf")

    def extended(self, from_s: float, timeout_s: float) -> None:
        """Note that the lease holds for ``timeout_s`` seconds from ``from_s`` on.

        :param from_s: time by the monotonic clock, in seconds.
        """
        self.ends_at_s = from_s + timeout_s

    def lost(self) -> bool:
        """Note that another worker may have the task.

        :returns: False if that had been noted before.
        """
        before_s, self.ends_at_s = self.ends_at_s, _LOST
        return before_s != _LOST

    @property
    def over(self) -> bool:
        """Whether the lease was lost, or ended since it was not extended in time."""
        return time.monotonic() >= self.ends_at_s


class Cancelling:
    """The request to stop a run, as far as this process knows.

    :ivar request: None if there is none.
    :ivar interrupt: called for a request that wants it; by what can interrupt the run.
    """

    def __init__(self) -> None:
        self.request: CancelRequest | None = None
        self.interrupt: Callable[[], None] | None = None

    def note(self, request: CancelRequest | None) -> None:
        """Keep what was read from the row; a request is never taken back."""
        if request is not None:
            self.request = request
            if request.interrupt and self.interrupt is not None:
                self.interrupt()


class Held(Protocol):
    """What can be settled: a job, or a delivery that did not become one."""

    @property
    def delivery(self) -> Delivery:
        """The delivery by which it was received."""

    @property
    def row(self) -> DeliveryRow:
        """Its row, which may be :class:`.delivery_row.NoRow`."""

    @property
    def reply_to(self) -> str | None:
        """The task's id, if its outcome is kept for an owner; else None."""


@dataclass(frozen=True)
class Unread:
    """A delivery that this worker cannot decode, or that is no message at all.

    If its row is claimed, it is the call in the row that cannot be decoded.
    """

    delivery: Delivery
    runtime: Runtime = field(repr=False, compare=False)

    @cached_property
    def row(self) -> DeliveryRow:
        """Its row, if that is claimed."""
        return row_of(self.delivery, self.runtime)

    @cached_property
    def says(self) -> Unverified:
        """What it claims to be, unverified. Parses the whole text, so only once."""
        return unverified(self.delivery.text)

    @property
    def reply_to(self) -> None:
        """None: an unverified message does not say who gets a reply."""
        return None

    def __str__(self) -> str:
        claim, queue = self.delivery.claim, self.delivery.queue
        if claim is not None:
            size_bytes = len(claim.text)
            return f"message of {size_bytes} bytes in queue {queue} (task {claim.id})"
        task = f" (of task {self.says.id}, as it says)" if self.says.id else ""
        return f"message of {len(self.delivery.text)} bytes in queue {queue}{task}"


@dataclass(frozen=True)
class Pointed:
    """A decoded delivery whose row is not claimed."""

    delivery: Delivery
    pointer: Pointer

    @property
    def row(self) -> DeliveryRow:
        """No row: without a claim nothing is written."""
        return NoRow(self.delivery)

    @property
    def reply_to(self) -> str | None:
        """The task's id, if its outcome is kept for an owner; else None."""
        return self.pointer.id if self.pointer.keep_result else None

    def __str__(self) -> str:
        return f"task {self.pointer.id} ({self.pointer.name})"


@dataclass(frozen=True)
class Job:
    """A call that is to be run.

    :ivar row: its row, which may be :class:`.delivery_row.NoRow`.
    :ivar lease: lease of the message.
    :ivar claim_lease: lease of the claim.
    :ivar cancelling: request to stop the run, as far as this process knows.
    """

    delivery: Delivery
    message: Message
    row: DeliveryRow
    lease: Lease = field(default_factory=Lease, compare=False)
    claim_lease: Lease = field(default_factory=Lease, compare=False)
    cancelling: Cancelling = field(default_factory=Cancelling, compare=False)

    @property
    def attempt(self) -> int:
        """Which attempt the next run is, from 1."""
        return self.row.attempts + 1

    @property
    def claim(self) -> Claim | None:
        """The claim of its row; None for a message without a row."""
        return self.row.claim

    @property
    def guard(self) -> Lease:
        """The lease that counts: that of the claim, or without one of the message."""
        return self.lease if self.claim is None else self.claim_lease

    @property
    def may_be_handed_back(self) -> bool:
        """Whether the job may be handed back, not having begun, for a small price.

        With a claim it costs no attempt. Without a row each receive counts as one:
        accepted once per task, and only if max_attempts >= ATTEMPTS_TO_SPARE.
        """
        return self.row.spares_attempts or (
            self.attempt == 1 and self.message.max_attempts >= ATTEMPTS_TO_SPARE
        )

    @property
    def is_to_stop(self) -> bool:
        """Whether this run, or an earlier one that died, was asked to stop."""
        earlier = self.claim is not None and self.claim.cancelled
        return earlier or self.cancelling.request is not None

    @property
    def reply_to(self) -> str | None:
        """The task's id, if its outcome is kept for an owner; else None."""
        return self.message.id if self.message.keep_result else None

    def __str__(self) -> str:
        return f"task {self.message.id} ({self.message.target.name})"
