"""Ends batches whose last member ended unnoticed, as its worker was killed then."""

from __future__ import annotations

from ... import batch_end
from ...runtime import Runtime
from ..intervals import USUAL, Intervals
from .rounds import Rounds


class BatchSweep(Rounds):
    """Looks at the open batches in intervals, by one statement if all goes on."""

    def __init__(self, runtime: Runtime, intervals: Intervals = USUAL) -> None:
        super().__init__("batches", "the sweep of batches", intervals.batches_pause_s)
        self._runtime = runtime

    def go_round(self) -> None:
        """Look at the open batches."""
        batch_end.sweep(self._runtime)
