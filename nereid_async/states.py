"""The states of a task, as rows and answers name them."""

from __future__ import annotations

from enum import Enum


class State(str, Enum):
    """Where a task stands."""

    #: Written by its asker; nobody has it yet.
    PENDING = "pending"
    #: The queue service has confirmed the message (SQS only).
    SENT = "sent"
    #: Claimed by a worker.
    RUNNING = "running"
    #: Committed.
    DONE = "done"
    #: Given up for good.
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the task."""
        return self in (State.DONE, State.FAILED)
