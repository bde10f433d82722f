"""The jobs of a process: those that run, those that wait, and how many more to take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from .intervals import USUAL
from .job import Job

#: Jobs are received ahead that keep the threads busy for about that long: enough to
#: receive the next ones meanwhile, too short for other processes to miss them. A thread
#: that is at a job for longer than that does not count, until it is free again.
_AHEAD_S = 0.5
#: As many as one call brings, and as many to work on meanwhile.
_AHEAD_MAX = 20
#: Weight of the last run in the measured length; a longer one counts at once.
_WEIGHT = 0.2


class Prefetch:
    """Hands jobs from the pollers to the threads that run them. Thread-safe.

    A job counts from its receipt to its end, or until it has been handed back.

    :param threads: how many jobs run at a time.
    :param clock: tells the time in seconds; for tests.
    :param head_start_s: how long what has just come may keep the pollers waiting.
    """

    def __init__(
        self,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
        head_start_s: float = USUAL.head_start_s,
    ) -> None:
        self._threads = threads
        self.clock = clock
        self._head_start_s = head_start_s
        lock = threading.Lock()
        #: For those that run jobs, for those that receive them, and for whoever hands
        #: back what waits too long.
        self._has_job = threading.Condition(lock)
        self._changed = threading.Condition(lock)
        self._waits = threading.Condition(lock)
        self._watched = False
        self._waiting: deque[Job] = deque()
        #: When those that run have begun, by their identity.
        self._begun_s: dict[int, float] = {}
        self._closed = False
        self._jobs = 0
        #: Whether jobs have come since the last one ended.
        self._fresh = False
        self._length_s = _AHEAD_S

    @property
    def empty(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._jobs == 0

    def room(self, timeout_s: float) -> int:
        """How many jobs to receive now, waiting until a call is worth it; 0 for none.

        Nothing is received ahead until it is known how long the tasks take.
        """
        with self._changed:
            self._changed.wait_for(self._room, timeout_s)
            return self._room()

    def _room(self) -> int:
        ahead = self._ahead()
        room = self._threads + ahead - self._jobs
        return room if room >= max(1, ahead // 2) else 0

    def _ahead(self) -> int:
        long_ago_s = self.clock() - _AHEAD_S
        long_ones = [s for s in self._begun_s.values() if s <= long_ago_s]
        threads = self._threads - len(long_ones)
        ahead = int(threads * _AHEAD_S / self._length_s) - threads
        return min(max(ahead, 0), _AHEAD_MAX)

    def expect(self, number: int) -> bool:
        """Note that messages were received; whether a thread is free for each."""
        with self._changed:
            self._jobs += number
            return self._jobs <= self._threads

    def put(self, jobs: Sequence[Job], expected: int) -> None:
        """Let jobs run: what became of so many messages that were expected."""
        with self._has_job:
            self._jobs += len(jobs) - expected
            self._fresh = len(jobs) > 0
            self._waiting.extend(jobs)
            self._has_job.notify(len(jobs))
            if not self._watched:
                self._waits.notify()

    def head_start(self) -> None:
        """Let those that have just got their jobs begin, and finish if they are short.

        Polling meanwhile would take the interpreter from them.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._fresh, self._head_start_s)

    def next(self) -> Job | None:
        """Wait for a job to run; None when there will be none any more."""
        with self._has_job:
            while not self._waiting:
                if self._closed:
                    return None
                self._has_job.wait()
            job = self._waiting.popleft()
            self._begun_s[id(job)] = self.clock()
            return job

    def ended(self, job: Job) -> None:
        """Note that a job has ended which :meth:`next` gave."""
        with self._changed:
            length_s = self.clock() - self._begun_s.pop(id(job))
            self._jobs -= 1
            fresh, self._fresh = self._fresh, False
            slowly_s = self._length_s + _WEIGHT * (length_s - self._length_s)
            self._length_s = max(length_s, slowly_s, 1e-6)
            if fresh or self._room():
                self._changed.notify_all()

    def overdue(self) -> list[Job]:
        """Wait for jobs that wait behind long ones, and take them out; none at the end.

        All threads have been at their jobs for longer than what is received ahead is to
        wait. To be followed by :meth:`handed_back`.
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
        """When to look again for what waits too long; None: when something waits."""
        if not any(job.may_be_handed_back for job in self._waiting):
            return None
        if len(self._begun_s) < self._threads:
            return _AHEAD_S
        return max(self._begun_s.values()) + _AHEAD_S - self.clock()

    def _take_out(self) -> list[Job]:
        jobs = [job for job in self._waiting if job.may_be_handed_back]
        self._waiting = deque(it for it in self._waiting if not it.may_be_handed_back)
        return jobs

    def take_back(self) -> list[Job]:
        """Take out all jobs that nobody has begun; see :meth:`handed_back`."""
        with self._changed:
            jobs = list(self._waiting)
            self._waiting.clear()
            return jobs

    def handed_back(self, jobs: Sequence[Job]) -> None:
        """Note that jobs which were taken out can be received again."""
        with self._changed:
            self._jobs -= len(jobs)
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing will be put any more: :meth:`next` ends when nothing is left."""
        with self._has_job:
            self._closed = True
            self._has_job.notify_all()
            self._waits.notify_all()
