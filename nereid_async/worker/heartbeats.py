"""Signs of life of worker processes, in memory that they share with their parent."""

from __future__ import annotations

import mmap
import struct
import time
from dataclasses import dataclass

#: When the process has last received, or was busy.
_BEAT = struct.Struct("d")
#: Since when a thread is at its task, 0 for never mind, and the task's name.
_THREAD = struct.Struct("d64s")


@dataclass(frozen=True)
class Busy:
    """All threads of a process are at a task.

    :ivar shortest_s: for how long none of them has begun one, in seconds.
    :ivar longest_s: how long the one that began first has taken by now, in seconds.
    :ivar task: the name of that one, or its beginning.
    """

    threads: int
    shortest_s: float
    longest_s: float
    task: str


class ProcessHeartbeat:
    """The signs of life of one process, timed by a clock of the whole system.

    Written by the process, read by its parent.
    """

    def __init__(self, memory: memoryview, threads: int) -> None:
        self._memory = memory
        self._threads = threads

    def clear(self) -> None:
        """Note that there are no threads any more. No sign of life."""
        for thread in range(self._threads):
            self.ends(thread)

    def beat(self) -> None:
        """Note a sign of life now."""
        _BEAT.pack_into(self._memory, 0, time.monotonic())

    def begins(self, thread: int, task: str) -> None:
        """Note that a thread begins a task.

        :param thread: its number, from 0.
        """
        name = task.encode("utf-8", "replace")
        _THREAD.pack_into(self._memory, _at(thread), time.monotonic(), name)

    def ends(self, thread: int) -> None:
        """Note that a thread has nothing to do."""
        _BEAT.pack_into(self._memory, _at(thread), 0.0)

    @property
    def silent_for_s(self) -> float:
        """Seconds since the last sign of life."""
        (at_s,) = _BEAT.unpack_from(self._memory, 0)
        return time.monotonic() - float(at_s)

    @property
    def busy(self) -> Busy | None:
        """How long all threads have been busy; None if one is not."""
        now_s = time.monotonic()
        at = [_THREAD.unpack_from(self._memory, _at(i)) for i in range(self._threads)]
        first_s, name = min(at)
        if first_s == 0.0:
            return None
        last_s, _ = max(at)
        task = name.rstrip(b"\0").decode("utf-8", "replace")
        return Busy(self._threads, now_s - last_s, now_s - first_s, task)


class Heartbeats:
    """Those of all processes of a worker. Made before the fork.

    :param slots: how many processes there may be at a time.
    :param threads: how many tasks each of them runs at a time.
    """

    def __init__(self, slots: int, threads: int) -> None:
        size_bytes = _at(threads)
        # Anonymous and shared: what a child writes, its parent reads.
        memory = memoryview(mmap.mmap(-1, slots * size_bytes))
        self._heartbeats = [
            ProcessHeartbeat(memory[i * size_bytes : (i + 1) * size_bytes], threads)
            for i in range(slots)
        ]

    def of(self, slot: int) -> ProcessHeartbeat:
        """Those of the process in that slot."""
        return self._heartbeats[slot]


def _at(thread: int) -> int:
    return _BEAT.size + thread * _THREAD.size
