"""The jobs of a process: those that run, those that wait, and how many more to take."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from .job import Job

#: Jobs are received ahead that keep the threads busy for about that long: enough to
#: receive the next ones meanwhile, too short for other processes to miss them.
_AHEAD_S = 0.5
#: As many as one call brings, and as many to work on meanwhile.
_AHEAD_MAX = 20
#: Longer than it takes to begin a task, and shorter than anybody notices.
_HEAD_START_S = 0.005
#: Weight of the last run in the measured length; a longer one counts at once.
_WEIGHT = 0.2


class Prefetch:
    """Hands jobs from the pollers to the threads that run them. Thread-safe.

    A job counts from its receipt to its end.

    :param threads: how many jobs run at a time.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        lock = threading.Lock()
        #: For those that run jobs, and for those that receive them.
        self._has_job = threading.Condition(lock)
        self._changed = threading.Condition(lock)
        self._waiting: deque[Job] = deque()
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
            self._changed.wait_for(lambda: self._room() >= self._worth(), timeout_s)
            room = self._room()
            return room if room >= self._worth() else 0

    def _room(self) -> int:
        return self._threads + self._ahead() - self._jobs

    def _worth(self) -> int:
        return max(1, self._ahead() // 2)

    def _ahead(self) -> int:
        ahead = int(self._threads * _AHEAD_S / self._length_s) - self._threads
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

    def head_start(self) -> None:
        """Let those that have just got their jobs begin, and finish if they are short.

        Polling meanwhile would take the interpreter from them.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._fresh, _HEAD_START_S)

    def next(self) -> Job | None:
        """Wait for a job to run; None when there will be none any more."""
        with self._has_job:
            self._has_job.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None

    def ended(self, length_s: float) -> None:
        """Note that a job has ended, and how long it took."""
        with self._changed:
            self._jobs -= 1
            fresh, self._fresh = self._fresh, False
            slowly_s = self._length_s + _WEIGHT * (length_s - self._length_s)
            self._length_s = max(length_s, slowly_s, 1e-6)
            if fresh or self._room() >= self._worth():
                self._changed.notify_all()

    def take_back(self) -> list[Job]:
        """Take out the jobs that nobody has begun."""
        with self._changed:
            jobs = list(self._waiting)
            self._waiting.clear()
            self._jobs -= len(jobs)
            return jobs

    def close(self) -> None:
        """Nothing will be put any more: :meth:`next` ends when nothing is left."""
        with self._has_job:
            self._closed = True
            self._has_job.notify_all()
