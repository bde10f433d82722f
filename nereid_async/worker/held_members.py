"""The members of batches that a process holds."""

from __future__ import annotations

import threading

from .job import Job


class HeldMembers:
    """Tells which member of a batch is the last one that a process holds. Thread-safe.

    Only its end needs a look at the batch: before, members are left that this process
    has claimed, and whoever ends them looks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: By the id of the batch, the ids of tasks.
        self._held: dict[str, set[str]] = {}

    def hold(self, job: Job) -> None:
        """Note that a job is held from now on."""
        if (batch := job.message.batch) is not None:
            with self._lock:
                self._held.setdefault(batch, set()).add(job.message.id)

    def let_go(self, job: Job) -> bool:
        """Note that a job is not held any more, or has ended; also if it was noted.

        :returns: whether other members of its batch are held.
        """
        if (batch := job.message.batch) is None:
            return False
        with self._lock:
            held = self._held.get(batch, set())
            held.discard(job.message.id)
            if not held:
                self._held.pop(batch, None)
            return bool(held)
