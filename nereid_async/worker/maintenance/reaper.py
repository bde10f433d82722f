"""The reaper: removes expired rows and results, and forgotten reply queues."""

from __future__ import annotations

import logging
import random
import threading

from ...database import connections
from ...errors import TransportError
from ...rows.workers import WorkerRows
from ...runtime import Runtime
from ..intervals import USUAL, Intervals

logger = logging.getLogger(__name__)

_ROWS_A_STATEMENT = 1_000


def reap(runtime: Runtime) -> int:
    """Remove all that has expired, and return the number of rows and queues removed.

    :raises TransportError: database or queue service are unreachable.
    """
    reaped = WorkerRows(runtime.database).forget_lost_workers()
    if runtime.rows is not None:
        settings = runtime.settings
        reaped += runtime.rows.reap_batches(settings.row_ttl, _ROWS_A_STATEMENT)
        while True:
            rows = runtime.rows.reap(settings.row_ttl, _ROWS_A_STATEMENT)
            reaped += rows
            if rows < _ROWS_A_STATEMENT:
                break
    return reaped + runtime.results.reap()


class Reaper(threading.Thread):
    """Reaps in intervals; an advisory lock lets one reaper per database work."""

    def __init__(self, runtime: Runtime, intervals: Intervals = USUAL) -> None:
        super().__init__(name="reaper", daemon=True)
        self._pause_s = intervals.reaper_pause_s
        self._runtime = runtime
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Reap until stopped, with jitter, so that workers do not reap all at once."""
        while not self._stopping.wait(self._pause_s * random.uniform(0.5, 1.5)):
            try:
                with connections.try_lock(self._runtime.database, "reaper") as locked:
                    if locked:
                        reaped = reap(self._runtime)
                        logger.info("reaper: %d row(s) or queue(s) removed", reaped)
            except TransportError as error:
                logger.warning("reaper: %s", error)
            except BaseException:
                logger.exception("the reaper failed, and goes on")
