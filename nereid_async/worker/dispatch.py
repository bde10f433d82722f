"""Turns what the pollers of a process receive into jobs for its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..brokers.base import Delivery
from ..runtime import Runtime
from .intake import Intake
from .lease import LeaseKeeper
from .prefetch import Prefetch

#: A receive from a queue that is not empty is answered within that time.
_SOON_S = 0.1


class TakenJobs:
    """Counts the jobs that a process has taken. Thread-safe.

    :param max_tasks: jobs to take before the process is recycled; 0 for any number.
    :ivar number: number of jobs taken so far.
    """

    def __init__(self, max_tasks: int = 0) -> None:
        self._max_tasks = max_tasks
        self._lock = threading.Lock()
        self.number = 0

    def add(self, number: int) -> None:
        """Count more jobs."""
        with self._lock:
            self.number += number

    @property
    def full(self) -> bool:
        """Whether ``max_tasks`` jobs were taken."""
        return bool(self._max_tasks) and self.number >= self._max_tasks

    def within(self, room: int) -> int:
        """How many of so many jobs to receive.

        The limit may be exceeded by messages that arrive while the process drains.
        """
        left = self._max_tasks - self.number
        return min(room, left) if left > 0 else room


class Dispatcher:
    """Takes the deliveries of all receivers of a pool of threads. Thread-safe.

    :param prefetch: hands the jobs to the threads.
    :param keeper: extends their leases until they have ended.
    :param taken: counts the jobs of all pools of the process.
    """

    def __init__(
        self,
        runtime: Runtime,
        intake: Intake,
        prefetch: Prefetch,
        keeper: LeaseKeeper,
        taken: TakenJobs,
    ) -> None:
        self._runtime = runtime
        self._intake = intake
        self._prefetch = prefetch
        self._keeper = keeper
        self._taken = taken
        self._answered = threading.Condition()
        self._expected_until_s = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._prefetch.empty

    def room(self, timeout_s: float) -> int:
        """How many jobs to receive now; waits for room, and returns 0 for none.

        :param timeout_s: longest wait for room, in seconds.
        """
        return self._taken.within(self._prefetch.room(timeout_s))

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Wait until no other poller expects messages; expect some in the context.

        A queue that has just brought messages likely has more, and each poll asks for
        as many as there is room for: two at a time would bring too many. A poll that is
        not answered within 0.1 s does not delay the others.
        """
        with self._answered:
            while (left_s := self._expected_until_s - time.monotonic()) > 0:
                self._answered.wait(left_s)
            until_s = self._expected_until_s = time.monotonic() + _SOON_S
        try:
            yield
        finally:
            with self._answered:
                if self._expected_until_s == until_s:
                    self._expected_until_s = 0.0
                    self._answered.notify()

    def flush(self) -> None:
        """Send what tasks of this process have deferred, so that it can be received."""
        self._runtime.sender.flush()

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Claim what was received and pass the jobs on to the threads.

        :raises DatabaseUnavailable: nothing could be claimed; all of it comes again.
        """
        jobs = []
        at_once = self._prefetch.expect(len(deliveries))
        try:
            jobs = self._intake.admit(deliveries, at_once=at_once)
            self._taken.add(len(jobs))
            for job in jobs:
                self._keeper.hold(job)
        finally:
            self._prefetch.put(jobs, len(deliveries))
        self._prefetch.await_start()
