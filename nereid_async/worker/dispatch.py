"""What the pollers of a process receive becomes jobs for its threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..brokers.base import Delivery
from ..runtime import Runtime
from .intake import Intake
from .lease import LeaseKeeper
from .prefetch import Prefetch


class Dispatcher:
    """Takes in deliveries of all receivers of a process. Thread-safe.

    :param prefetch: hands the jobs to the threads.
    :param keeper: holds them meanwhile.
    :param max_tasks: jobs to take in all; 0 for any number.
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
        #: How many jobs were taken.
        self.taken = 0

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._prefetch.empty

    @property
    def full(self) -> bool:
        """Whether as many jobs were taken as may be."""
        return bool(self._max_tasks) and self.taken >= self._max_tasks

    def room(self, timeout_s: float) -> int:
        """How many jobs to receive now, waiting for a while; 0 for none."""
        room = self._prefetch.room(timeout_s)
        # Beyond the limit goes what comes while the process ends.
        left = self._max_tasks - self.taken
        return min(room, left) if left > 0 else room

    def flush(self) -> None:
        """Send what the tasks here have deferred, so that it can be received."""
        self._runtime.sender.flush()

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Claim what was received, and let the threads run it."""
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
        self._prefetch.head_start()
