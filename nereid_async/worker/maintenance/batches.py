"""Ends batches whose last member ended unnoticed, as its worker was killed then."""

from __future__ import annotations

import logging
import random
import threading

from ... import batch_end
from ...errors import TransportError
from ...runtime import Runtime
from ..intervals import USUAL, Intervals

logger = logging.getLogger(__name__)


class BatchSweep(threading.Thread):
    """Looks at the open batches in intervals, by one statement if all goes on."""

    def __init__(self, runtime: Runtime, intervals: Intervals = USUAL) -> None:
        super().__init__(name="batches", daemon=True)
        self._pause_s = intervals.batches_pause_s
        self._runtime = runtime
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Sweep until stopped, with jitter."""
        while not self._stopping.wait(self._pause_s * random.uniform(0.5, 1.5)):
            try:
                batch_end.sweep(self._runtime)
            except TransportError as error:
                logger.warning("batches: %s", error)
            except BaseException:
                logger.exception("the sweep of batches failed, and goes on")
