"""How many jobs a process has in hand, and how many more it may take."""

from __future__ import annotations

import threading

#: Jobs are received ahead that keep the threads busy for about that long: enough to
#: receive the next ones meanwhile, too short for other processes to miss them.
_AHEAD_S = 0.5
#: As many as one call brings, and as many to work on meanwhile.
_AHEAD_MAX = 20
#: Longer than it takes to begin a task, and shorter than anybody notices.
_HEAD_START_S = 0.005
#: Weight of the last run in the measured length; a longer one counts at once.
_WEIGHT = 0.2


class Hand:
    """Counts jobs from their receipt to their end. Thread-safe.

    :param threads: how many jobs run at a time.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._changed = threading.Condition()
        self._jobs = 0
        #: Whether jobs have come since the last one ended.
        self._fresh = False
        self._length_s = _AHEAD_S

    @property
    def empty(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._jobs == 0

    @property
    def free(self) -> int:
        """How many threads have nothing to do."""
        return max(0, self._threads - self._jobs)

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

    def take(self, jobs: int) -> None:
        """Note that jobs were received."""
        with self._changed:
            self._jobs += jobs
            self._fresh = jobs > 0

    def head_start(self) -> None:
        """Let those that have just got their jobs begin, and finish if they are short.

        Polling meanwhile would take the interpreter from them.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._fresh, _HEAD_START_S)

    def put_down(self, length_s: float) -> None:
        """Note that a job has ended, and how long it took."""
        with self._changed:
            self._jobs -= 1
            fresh, self._fresh = self._fresh, False
            slowly_s = self._length_s + _WEIGHT * (length_s - self._length_s)
            self._length_s = max(length_s, slowly_s, 1e-6)
            if fresh or self._room() >= self._worth():
                self._changed.notify_all()
