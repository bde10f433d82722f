"""The result store `database`: the outcome is in the task's row."""

from __future__ import annotations

from ..messages.outcome import Outcome, Status
from ..rows import TaskRows


class DatabaseResults:
    """Reads what the finishing run has written. Thread-safe; survives a fork."""

    needs_acknowledgement = False

    def __init__(self, rows: TaskRows) -> None:
        self._rows = rows

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Nothing to do: it was committed with the task."""

    def look(self, task_id: str) -> Status | None:
        """One read."""
        return self._rows.status(task_id)

    def reap(self) -> int:
        """Nothing to do: results go with the rows."""
        return 0

    def withdraw(self, task_id: str) -> None:
        """Nothing to do: it went when the row was set back."""

    def delete(self, task_id: str) -> None:
        """Drop the value; the row keeps the state."""
        self._rows.acknowledge(task_id)
