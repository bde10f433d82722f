"""Noting in the rows what the queue service has confirmed, off the request's path."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time

from .rows import TaskRows

logger = logging.getLogger(__name__)

_PAUSE_S = 0.5
_ROWS_A_STATEMENT = 500


class SentMarks:
    """Collects ids and marks their rows in batches, in a thread of its own.

    A mark that is lost, with its process, costs a message sent twice: the relay
    sends again what seems not sent, and a second delivery has no effect.
    Thread-safe; the thread starts at the first mark, also after a fork.
    """

    def __init__(self, rows: TaskRows) -> None:
        self._rows = rows
        self._lock = threading.Lock()
        self._ids: list[str] = []
        self._wake = threading.Event()
        self._pid = 0

    def add(self, ids: list[str]) -> None:
        """Mark these soon. Never raises, never waits for the database."""
        with self._lock:
            self._ids += ids
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._wake = threading.Event()
                threading.Thread(
                    target=self._run, name="sent-marks", daemon=True
                ).start()
                atexit.register(self.flush)
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # What comes in the meantime goes with it.
            time.sleep(_PAUSE_S)
            self._wake.clear()
            self.flush()

    def flush(self) -> None:
        """Mark now what has been collected. Never raises."""
        with self._lock:
            ids, self._ids = self._ids, []
        try:
            for start in range(0, len(ids), _ROWS_A_STATEMENT):
                self._rows.mark_sent(ids[start : start + _ROWS_A_STATEMENT])
        except Exception as error:
            logger.info("%d task(s) not marked as sent: %s", len(ids), error)
