"""Which queues are paused, as the pollers of a process know it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from ..rows import ALL_QUEUES, TaskRows

#: How long what was read counts. Workers are to notice a change within two seconds.
LOOK_PAUSE_S = 1.0


class PausedQueues:
    """Reads the paused queues, once a second at most, and only when asked. Thread-safe.

    :param rows: None where there are no rows, and so no pauses.
    """

    def __init__(self, rows: TaskRows | None) -> None:
        self._rows = rows
        self._lock = threading.Lock()
        self._paused: frozenset[str] = frozenset()
        self._read_at_s = float("-inf")

    def without(self, queues: Iterable[str]) -> list[str]:
        """Those of the queues that are not paused.

        :raises DatabaseUnavailable: the database does not tell.
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
