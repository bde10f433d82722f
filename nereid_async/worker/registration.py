"""Registers a worker process in the table of workers, with a heartbeat of its own."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from .._version import __version__
from ..errors import TransportError
from ..rows.workers import DRAINING, RUNNING, Registered, WorkerRows
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from .heartbeats import ProcessHeartbeat
from .options import WorkerOptions

logger = logging.getLogger(__name__)
_throttled = ThrottledLog(logger)


class Registration(threading.Thread):
    """Keeps the row of this process from its start to its end.

    A few statements a minute, whatever runs. While the database is away none is
    written; with the next heartbeat the row is as it should be.

    :param heartbeat: tells how many threads run a task.
    """

    def __init__(
        self, runtime: Runtime, options: WorkerOptions, heartbeat: ProcessHeartbeat
    ) -> None:
        super().__init__(name="registration", daemon=True)
        self._rows = WorkerRows(runtime.database)
        self._pause_s = options.intervals.registration_pause_s
        self._heartbeat = heartbeat
        self._worker = Registered(
            heartbeat.slot_id,
            socket.gethostname(),
            os.getpid(),
            __version__,
            tuple(options.queue_words(runtime.settings)),
            options.threads,
        )
        self._started_at_s = time.monotonic()
        self._state = RUNNING
        self._stopping = False
        self._changed = threading.Event()

    def drain(self) -> None:
        """Tell at once that this process begins no more tasks."""
        self._state = DRAINING
        self._changed.set()

    def stop(self) -> None:
        """Remove the row, and end the thread."""
        self._stopping = True
        self._changed.set()

    def run(self) -> None:
        """Send heartbeats until stopped. Never raises."""
        is_there = True
        while not self._stopping:
            is_there = is_there and self._tried(self._beat)
            self._changed.wait(self._pause_s)
            self._changed.clear()
        if is_there:
            self._tried(self._end)

    def _beat(self) -> bool:
        up_s = time.monotonic() - self._started_at_s
        busy = self._heartbeat.busy_threads
        return self._rows.beat(self._worker, busy, self._state, up_s)

    def _end(self) -> bool:
        self._rows.ended(self._worker)
        return True

    def _tried(self, write: Callable[[], bool]) -> bool:
        """Write; False if there is no table to write to."""
        try:
            return write()
        except TransportError as error:
            _throttled.log(logging.INFO, "away", "not registered now: %s", error)
        except BaseException:
            _throttled.log(
                logging.ERROR, "failed", "not registered, goes on", exc_info=True
            )
        return True
