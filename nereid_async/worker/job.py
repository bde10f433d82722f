"""A message in a worker's hands."""

from __future__ import annotations

from dataclasses import dataclass

from ..brokers.base import Delivery
from ..message import Message
from ..rows import Claim


@dataclass(frozen=True)
class Job:
    """One message to be run.

    :ivar claim: the claim on its row; None for a message without a row.
    """

    delivery: Delivery
    message: Message
    claim: Claim | None

    @property
    def attempt(self) -> int:
        """Which attempt the next run is, from 1."""
        if self.claim is None:
            return self.delivery.receive_count
        return self.claim.attempt + 1

    @property
    def reply_to(self) -> str | None:
        """The task's id, where its asker waits for an outcome."""
        return self.message.id if self.message.keep_result else None

    def __str__(self) -> str:
        return f"task {self.message.id} ({self.message.target.name})"
