"""Runs what is due of Tryton's own schedule, ``ir.cron``, as ``trytond-cron`` does."""

from __future__ import annotations

import logging
import threading
import time

from trytond import backend
from trytond.pool import Pool

from ... import forks
from ... import runtime as runtimes
from ...database import connections
from ...errors import TransportError
from ...runtime import Runtime
from ...texts import one_line
from ..intervals import USUAL, Intervals

logger = logging.getLogger(__name__)


def run_due(runtime: Runtime) -> bool:
    """Run what is due now, unless another worker of the database is at it.

    :returns: whether this one did.
    :raises DatabaseOperationalError: ``trytond-cron`` is at it, or the database away.
    """
    with connections.try_lock(runtime.database, "cron") as locked:
        if locked:
            with forks.kept_inside("ir.cron"):
                Pool(runtime.database).get("ir.cron").run(runtime.database)
        return locked


class Cron(threading.Thread):
    """Runs ``ir.cron`` each minute; an advisory lock lets one per database work."""

    def __init__(self, runtime: Runtime, intervals: Intervals = USUAL) -> None:
        super().__init__(name="cron", daemon=True)
        self._pause_s = intervals.cron_pause_s
        self._runtime = runtime
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Look each minute until stopped, from the start of one look to the next."""
        runtimes.activate(self._runtime)
        while not self._stopping.is_set():
            next_at_s = time.monotonic() + self._pause_s
            try:
                run_due(self._runtime)
            except (TransportError, backend.DatabaseOperationalError) as error:
                logger.warning(
                    "cron: not now, but in a minute; trytond-cron may run, too: %s",
                    one_line(error),
                )
            except BaseException:
                logger.exception("cron failed, and goes on")
            self._stopping.wait(max(0.0, next_at_s - time.monotonic()))
