"""Signs of life of worker processes, in memory that they share with their parent."""

from __future__ import annotations

import mmap
import time

_BYTES = 8


class Pulses:
    """When each process has last received, or was busy, as a system-wide clock has it.

    Made before the fork. Each process writes its own slot only.

    :param slots: how many processes there may be at a time.
    """

    def __init__(self, slots: int) -> None:
        # Anonymous and shared: what a child writes, its parent reads.
        self._times_s = memoryview(mmap.mmap(-1, slots * _BYTES)).cast("d")

    def beat(self, slot: int) -> None:
        """Note a sign of life now."""
        self._times_s[slot] = time.monotonic()

    def silent_for_s(self, slot: int) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._times_s[slot]
