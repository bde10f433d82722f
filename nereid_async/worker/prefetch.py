"""The jobs of a process: those that run, those that wait, and the room for more."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..limits import SQS_BATCH_MAX_ENTRIES
from .intervals import USUAL
from .job import Job

#: How much work is prefetched, in seconds of all threads: long enough to receive more
#: meanwhile, and short enough not to starve other processes. A thread whose job has
#: run for longer than this does not count until it is free.
_AHEAD_S = 0.5
#: Jobs prefetched at most: two receives of SQS.
_AHEAD_MAX = 2 * SQS_BATCH_MAX_ENTRIES
#: Weight of the last run in the average run time; a longer run replaces the average.
_WEIGHT = 0.2


class Prefetch:
    """Hands jobs from the pollers to the threads that run them. Thread-safe.

    A job counts from its receive to its end, or until it has been handed back.

    :ivar threads: number of jobs that run at a time.
    :param clock: returns the time in seconds; for tests.
    :param start_wait_s: see :attr:`.intervals.Intervals.start_wait_s`.
    """

    def __init__(
        self,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
        start_wait_s: float = USUAL.start_wait_s,
    ) -> None:
        self.threads = threads
        self.clock = clock
        self._start_wait_s = start_wait_s
        lock = threading.Lock()
        # Three conditions of one lock: for runner threads, for pollers, and for the
        # thread that hands back what waits too long.
        self._has_job = threading.Condition(lock)
        self._changed = threading.Condition(lock)
        self._waits = threading.Condition(lock)
        self._watched = False
        self._waiting: deque[Job] = deque()
        #: When running jobs began, by the id() of the job.
        self._begun_s: dict[int, float] = {}
        self._closed = False
        self._jobs = 0
        #: Whether jobs have come since the last one ended.
        self._fresh = False
        #: Average run time, in seconds. Nothing is prefetched before it is known.
        self._run_time_s = _AHEAD_S

    @property
    def empty(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._jobs == 0

    def room(self, timeout_s: float) -> int:
        """How many jobs to receive now; waits until a receive is worth its price.

        :param timeout_s: longest wait, in seconds; then 0 is returned.
        """
        with self._changed:
            self._changed.wait_for(self._room, timeout_s)
            return self._room()

    def _room(self) -> int:
        ahead = self._ahead()
        room = self.threads + ahead - self._jobs
        return room if room >= max(1, ahead // 2) else 0

    def _ahead(self) -> int:
        long_ago_s = self.clock() - _AHEAD_S
        long_ones = [s for s in self._begun_s.values() if s <= long_ago_s]
        threads = self.threads - len(long_ones)
        ahead = int(threads * _AHEAD_S / self._run_time_s) - threads
        return min(max(ahead, 0), _AHEAD_MAX)

    def expect(self, number: int) -> bool:
        """Note that messages were received, and return whether each finds a thread."""
        with self._changed:
            self._jobs += number
            return self._jobs <= self.threads

    def put(self, jobs: Sequence[Job], expected: int) -> None:
        """Add jobs to run.

        :param expected: number of messages that they were made of, as :meth:`expect`
            was told.
        """
        with self._has_job:
            self._jobs += len(jobs) - expected
            self._fresh = len(jobs) > 0
            self._waiting.extend(jobs)
            self._has_job.notify(len(jobs))
            if not self._watched:
                self._waits.notify()

    def await_start(self) -> None:
        """Wait some milliseconds for a new job to end.

        A short task then runs without competing with the poller for the interpreter.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._fresh, self._start_wait_s)

    def next(self) -> Job | None:
        """Wait for a job and return it; None when closed and no job is left."""
        with self._has_job:
            while not self._waiting:
                if self._closed:
                    return None
                self._has_job.wait()
            job = self._waiting.popleft()
            self._begun_s[id(job)] = self.clock()
            return job

    def ended(self, job: Job) -> None:
        """Note that a job which :meth:`next` returned has ended."""
        with self._changed:
            last_s = self.clock() - self._begun_s.pop(id(job))
            self._jobs -= 1
            fresh, self._fresh = self._fresh, False
            average_s = self._run_time_s + _WEIGHT * (last_s - self._run_time_s)
            self._run_time_s = max(last_s, average_s, 1e-6)
            if fresh or self._room():
                self._changed.notify_all()

    def overdue(self) -> list[Job]:
        """Wait for jobs that are stuck behind long ones, and remove them from here.

        Jobs are stuck when all threads have run theirs for longer than a prefetched job
        should wait. The caller hands them back, then calls :meth:`handed_back`.

        :returns: the jobs; an empty list when closed.
        """
        with self._waits:
            while True:
                late_in_s = self._late_in_s()
                if late_in_s is None and self._closed:
                    return []
                if late_in_s is not None and late_in_s <= 0:
                    return self._take_out()
                self._watched = late_in_s is not None
                self._waits.wait(late_in_s)

    def _late_in_s(self) -> float | None:
        """Seconds until waiting jobs are overdue; None if no job waits."""
        if not any(job.may_be_handed_back for job in self._waiting):
            return None
        if len(self._begun_s) < self.threads:
            return _AHEAD_S
        return max(self._begun_s.values()) + _AHEAD_S - self.clock()

    def _take_out(self) -> list[Job]:
        jobs = [job for job in self._waiting if job.may_be_handed_back]
        self._waiting = deque(it for it in self._waiting if not it.may_be_handed_back)
        return jobs

    def take_back(self) -> list[Job]:
        """Remove all waiting jobs. The caller hands them back, as :meth:`overdue`."""
        with self._changed:
            jobs = list(self._waiting)
            self._waiting.clear()
            return jobs

    def handed_back(self, jobs: Sequence[Job]) -> None:
        """Note that removed jobs have been handed back: there is room again."""
        with self._changed:
            self._jobs -= len(jobs)
            self._changed.notify_all()

    def close(self) -> None:
        """Let :meth:`next` return None when no job is left, since none will come."""
        with self._has_job:
            self._closed = True
            self._has_job.notify_all()
            self._waits.notify_all()
