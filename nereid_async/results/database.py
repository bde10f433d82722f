"""The result store `database`: the outcome is in the task's row."""

from __future__ import annotations

from ..messages.outcome import Outcome, Status
from ..rows import TaskRows


class DatabaseResults:
    """Reads outcomes from rows, where runs have written them. Thread-safe."""

    needs_acknowledgement = False

    def __init__(self, rows: TaskRows) -> None:
        self._rows = rows

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Do nothing: the outcome was committed with the task."""

    def look(self, task_id: str) -> Status | None:
        """Read the row; see :class:`.base.ResultStore`."""
        return self._rows.status(task_id)

    def reap(self) -> int:
        """Return 0: the reaper removes results with :meth:`.rows.TaskRows.reap`."""
        return 0

    def withdraw(self, task_id: str) -> None:
        """Do nothing: requeuing the row has removed the outcome."""

    def delete(self, task_id: str) -> None:
        """Remove the value; the row keeps the state."""
        self._rows.acknowledge(task_id)
