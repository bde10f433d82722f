"""The result store `memory`: for tests, ours and our users'."""

from __future__ import annotations

import threading

from ..messages.outcome import Outcome, State, Status
from ..messages.serialization import dumps, loads


class MemoryResults:
    """Keeps outcomes in the process, as the text a real store would keep."""

    needs_acknowledgement = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self._forgotten: set[str] = set()

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._texts[task_id] = dumps(outcome.as_json())

    def look(self, task_id: str) -> Status | None:
        """What is not there is pending: there are no rows to tell."""
        with self._lock:
            text = self._texts.get(task_id)
            forgotten = task_id in self._forgotten
        if text is None:
            return Status(State.DONE, gone=True) if forgotten else Status(State.PENDING)
        outcome = Outcome.from_json(loads(text))
        return Status(outcome.state, outcome=outcome)

    def reap(self) -> int:
        """Nothing to do: results go with the process."""
        return 0

    def withdraw(self, task_id: str) -> None:
        """Drop an outcome: the task is pending again."""
        with self._lock:
            self._texts.pop(task_id, None)

    def delete(self, task_id: str) -> None:
        """Drop an outcome."""
        with self._lock:
            if self._texts.pop(task_id, None) is not None:
                self._forgotten.add(task_id)
