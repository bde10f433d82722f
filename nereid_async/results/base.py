"""What a result store is: it keeps the answer until its owner has it."""

from __future__ import annotations

from typing import Protocol

from ..messages.outcome import Outcome, Status


class ResultStore(Protocol):
    """Thread-safe; survives a fork; every look is through its own connection."""

    #: Whether the owner should acknowledge: a waiting reply costs money.
    needs_acknowledgement: bool

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Keep the outcome of a task; called by the worker after the commit.

        :raises TransportError: it could not be kept.
        """

    def look(self, task_id: str) -> Status | None:
        """Tell where a task stands, without consuming anything.

        :returns: None where no such task is known.
        :raises TransportError: the store cannot be reached.
        """

    def reap(self) -> int:
        """Remove what waits for nobody any more; returns how much.

        :raises TransportError: the store cannot be reached.
        """

    def withdraw(self, task_id: str) -> None:
        """Remove what an earlier run has told: the task runs again.

        :raises TransportError: that cannot be done now; :meth:`look` heeds the row.
        """

    def delete(self, task_id: str) -> None:
        """Remove the outcome: its owner has it."""
