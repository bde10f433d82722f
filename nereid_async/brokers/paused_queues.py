"""Caches which queues are paused, for the pollers of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from ..queue_selection import ALL_QUEUES
from ..rows import TaskRows

#: How long the paused queues are cached: workers must notice a change within 2 s.
LOOK_PAUSE_S = 1.0


class PausedQueues:
    """The paused queues, read once a second at most, when asked for. Thread-safe.

    :param rows: the row protocol; None without rows, and so without pauses.
    """

    def __init__(self, rows: TaskRows | None) -> None:
        self._rows = rows
        self._lock = threading.Lock()
        self._paused: frozenset[str] = frozenset()
        self._read_at_s = float("-inf")

    def without(self, queues: Iterable[str]) -> list[str]:
        """The queues that are not paused.

        :raises DatabaseUnavailable: the database is unreachable.
        """
        paused = self._names()
        return [it for it in queues if ALL_QUEUES not in paused and it not in paused]

    def _names(self) -> frozenset[str]:
        with self._lock:
            now_s = time.monotonic()
            if self._rows is not None and now_s - self._read_at_s >= LOOK_PAUSE_S:
                self._paused = self._rows.paused_queues()
                self._read_at_s = now_s
            return self._paused
