"""The interface of result stores, which keep outcomes for their owners."""

from __future__ import annotations

from typing import Protocol

from ..messages.outcome import Outcome, Status


class ResultStore(Protocol):
    """Keeps outcomes; reads on connections of its own. Thread-safe; survives a fork."""

    #: Whether owners should acknowledge results, since each stored one costs money.
    needs_acknowledgement: bool

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Store the outcome of a task; called by the worker after the commit.

        :raises TransportError: the store is unreachable, or refuses.
        """

    def look(self, task_id: str) -> Status | None:
        """Read the status of a task, without consuming its outcome.

        :returns: None if there is no such task.
        :raises TransportError: the store is unreachable.
        """

    def reap(self) -> int:
        """Remove expired outcomes; return their number.

        :raises TransportError: the store is unreachable.
        """

    def withdraw(self, task_id: str) -> None:
        """Remove the outcome of an earlier run, since the task runs again.

        :raises TransportError: not possible now; :meth:`look` prefers the row anyway.
        """

    def delete(self, task_id: str) -> None:
        """Remove the outcome, since its owner has it.

        :raises TransportError: the store is unreachable, or refuses.
        """
