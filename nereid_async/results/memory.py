"""The result store `memory`, for tests in one process."""

from __future__ import annotations

import threading

from ..messages.outcome import Outcome, State, Status
from ..messages.serialization import dumps, loads


class MemoryResults:
    """Keeps outcomes in the process, as the text that a real store would keep."""

    needs_acknowledgement = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self._deleted: set[str] = set()

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Store an outcome."""
        with self._lock:
            self._texts[task_id] = dumps(outcome.as_json())

    def look(self, task_id: str) -> Status | None:
        """Read a status; unknown tasks count as pending, since there are no rows."""
        with self._lock:
            text = self._texts.get(task_id)
            deleted = task_id in self._deleted
        if text is None:
            return Status(State.DONE, gone=True) if deleted else Status(State.PENDING)
        outcome = Outcome.from_json(loads(text))
        return Status(outcome.state, outcome=outcome)

    def reap(self) -> int:
        """Return 0: results end with the process."""
        return 0

    def withdraw(self, task_id: str) -> None:
        """Remove an outcome: the task is pending again."""
        with self._lock:
            self._texts.pop(task_id, None)

    def delete(self, task_id: str) -> None:
        """Remove an outcome."""
        with self._lock:
            if self._texts.pop(task_id, None) is not None:
                self._deleted.add(task_id)
