"""Heartbeats of worker processes, in memory that they share with their parent."""

from __future__ import annotations

import math
import mmap
import struct
import time
import uuid
from dataclasses import dataclass
from typing import NamedTuple

#: Time of the last heartbeat.
_BEAT = struct.Struct("d")
#: When a thread began its task, 0 if it has none, the task's time limit and its name.
_THREAD = struct.Struct("dd64s")


#: The counts of a thread, in the order of :class:`Counts`.
_COUNTS = struct.Struct("4Q")
_COUNT = struct.Struct("Q")


class Counts(NamedTuple):
    """How many runs ended how."""

    done: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{n} {it}" for it, n in self._asdict().items())


@dataclass(frozen=True)
class Busy:
    """The state of a process whose threads all run a task.

    :ivar threads: number of threads.
    :ivar shortest_s: time since the last of them began its task, in seconds.
    :ivar longest_s: time since the first of them began its task, in seconds.
    :ivar limit_s: the longest of their time limits, in seconds; infinite if one of the
        tasks has none.
    :ivar task: name of the task that began first, maybe cut.
    """

    threads: int
    shortest_s: float
    longest_s: float
    limit_s: float
    task: str


class ProcessHeartbeat:
    """The heartbeat of one process and the tasks of its threads.

    Written by the process and read by its parent: the monotonic clock is the same for
    all processes of a system.

    :ivar slot_id: a UUID for this process and those that replace it, one by one.
    """

    def __init__(self, memory: memoryview, threads: int) -> None:
        self.slot_id = str(uuid.uuid4())
        self._memory = memory
        self._numbers = range(threads)

    def clear(self) -> None:
        """Note that no thread runs a task, since the process has ended."""
        for thread in self._numbers:
            self.ends(thread)

    def beat(self) -> None:
        """Note a heartbeat now."""
        _BEAT.pack_into(self._memory, 0, time.monotonic())

    def begins(self, thread: int, task: str, limit_s: float | None) -> None:
        """Note that a thread begins a task.

        :param thread: its number, from 0.
        :param limit_s: the task's time limit in seconds; None for none.
        """
        name = task.encode("utf-8", "replace")
        limit_s = math.inf if limit_s is None else limit_s
        _THREAD.pack_into(self._memory, _at(thread), time.monotonic(), limit_s, name)

    def ends(self, thread: int) -> None:
        """Note that a thread has ended its task."""
        _BEAT.pack_into(self._memory, _at(thread), 0.0)

    def count(self, thread: int, outcome: str) -> None:
        """Count a run that a thread has ended.

        :param outcome: the name of one of the :class:`Counts`.
        """
        at = _at(thread) + _THREAD.size + Counts._fields.index(outcome) * _COUNT.size
        (before,) = _COUNT.unpack_from(self._memory, at)
        _COUNT.pack_into(self._memory, at, before + 1)

    @property
    def counts(self) -> Counts:
        """The runs of this process, and of those before it in its slot."""
        of_threads = [
            _COUNTS.unpack_from(self._memory, _at(i) + _THREAD.size)
            for i in self._numbers
        ]
        return Counts(*map(sum, zip(*of_threads, strict=True)))

    @property
    def silent_for_s(self) -> float:
        """Seconds since the last heartbeat."""
        (at_s,) = _BEAT.unpack_from(self._memory, 0)
        return time.monotonic() - float(at_s)

    @property
    def busy_threads(self) -> int:
        """How many threads run a task."""
        begun_s = (_BEAT.unpack_from(self._memory, _at(i))[0] for i in self._numbers)
        return sum(at_s != 0.0 for at_s in begun_s)

    @property
    def busy(self) -> Busy | None:
        """How long all threads have been busy; None if one of them is idle."""
        now_s = time.monotonic()
        at = [_THREAD.unpack_from(self._memory, _at(i)) for i in self._numbers]
        first_s, _, name = min(at)
        if first_s == 0.0:
            return None
        last_s, _, _ = max(at)
        limit_s = max(limit_s for _, limit_s, _ in at)
        task = name.rstrip(b"\0").decode("utf-8", "replace")
        return Busy(len(at), now_s - last_s, now_s - first_s, limit_s, task)


class Heartbeats:
    """The heartbeats of all processes of a worker. Must be made before the fork.

    :param slots: number of processes.
    :param threads: number of threads in each process.
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
        """The heartbeat of the process in a slot."""
        return self._heartbeats[slot]

    @property
    def busy_threads(self) -> int:
        """Number of threads of all processes that run a task."""
        return sum(it.busy_threads for it in self._heartbeats)

    @property
    def counts(self) -> Counts:
        """The runs of all processes, those included that have ended."""
        counts = [it.counts for it in self._heartbeats]
        return Counts(*map(sum, zip(*counts, strict=True)))


def _at(thread: int) -> int:
    return _BEAT.size + thread * (_THREAD.size + _COUNTS.size)
