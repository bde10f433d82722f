"""The reaper: removes expired rows and results, and forgotten reply queues."""

from __future__ import annotations

import logging

from ...database import connections
from ...rows.workers import WorkerRows
from ...runtime import Runtime
from ..intervals import USUAL, Intervals
from .rounds import Rounds

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


class Reaper(Rounds):
    """Reaps in intervals; an advisory lock lets one reaper per database work."""

    def __init__(self, runtime: Runtime, intervals: Intervals = USUAL) -> None:
        super().__init__("reaper", "the reaper", intervals.reaper_pause_s)
        self._runtime = runtime

    def go_round(self) -> None:
        """Reap, unless another worker of the database is at it."""
        with connections.try_lock(self._runtime.database, "reaper") as locked:
            if locked:
                reaped = reap(self._runtime)
                logger.info("reaper: %d row(s) or queue(s) removed", reaped)
