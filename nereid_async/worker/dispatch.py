"""Turns what the pollers of a process receive into jobs for its threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..brokers.base import Delivery
from ..runtime import Runtime
from .intake import Intake
from .lease import LeaseKeeper
from .prefetch import Prefetch


class Dispatcher:
    """Takes the deliveries of all receivers of a process. Thread-safe.

    :param prefetch: hands the jobs to the threads.
    :param keeper: extends their leases until they have ended.
    :param max_tasks: jobs to take before the process is recycled; 0 for any number.
    :ivar taken: number of jobs taken so far.
    """

    def __init__(
        self,
        runtime: Runtime,
        intake: Intake,
        prefetch: Prefetch,
        keeper: LeaseKeeper,
        max_tasks: int = 0,
    ) -> None:
        self._runtime = runtime
        self._intake = intake
        self._prefetch = prefetch
        self._keeper = keeper
        self._max_tasks = max_tasks
        self._counting = threading.Lock()
        self.taken = 0

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._prefetch.empty

    @property
    def full(self) -> bool:
        """Whether ``max_tasks`` jobs were taken."""
        return bool(self._max_tasks) and self.taken >= self._max_tasks

    def room(self, timeout_s: float) -> int:
        """How many jobs to receive now; waits for room, and returns 0 for none.

        :param timeout_s: longest wait for room, in seconds.
        """
        room = self._prefetch.room(timeout_s)
        # The limit may be exceeded by messages that arrive while the process drains.
        left = self._max_tasks - self.taken
        return min(room, left) if left > 0 else room

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
            with self._counting:
                self.taken += len(jobs)
            for job in jobs:
                self._keeper.hold(job)
        finally:
            self._prefetch.put(jobs, len(deliveries))
        self._prefetch.await_start()
