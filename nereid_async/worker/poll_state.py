"""State that the pollers of a process share: when to poll, and when to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..wakeup import Wakeup
from .dispatch import Dispatcher, TakenJobs
from .options import WorkerOptions


class PollState:
    """Tells pollers when to end. Thread-safe.

    :param dispatchers: those of all pools of the process.
    :param taken: counts their jobs.
    :param may_go_on: called before each poll, until it returns False.
    :ivar burst: whether the process ends when no due task is left.
    :ivar wakeup: set when the process is to stop.
    :ivar wait_s: how long a poll waits for messages, in seconds.
    :ivar ending: whether ``may_go_on`` has returned False.
    :ivar receivers: names of the receivers of the process.
    """

    def __init__(
        self,
        dispatchers: Sequence[Dispatcher],
        taken: TakenJobs,
        options: WorkerOptions,
        may_go_on: Callable[[], bool],
    ) -> None:
        self.burst = options.burst
        self.wakeup = Wakeup()
        intervals = options.intervals
        wait_s = intervals.burst_wait_s if options.burst else intervals.poll_wait_s
        # An idle process must send heartbeats, too: one after each poll.
        self.wait_s = min(wait_s, options.stuck_after_s / 2)
        self.ending = False
        self.receivers: frozenset[str] = frozenset()
        self._dispatchers = dispatchers
        self._taken = taken
        self._may_go_on = may_go_on
        self._lock = threading.Lock()
        self._waiting = 0
        #: The receivers found empty when ``_empty_since`` jobs had been taken.
        self._empty: set[str] = set()
        self._empty_since = 0

    @property
    def taken(self) -> int:
        """Number of jobs that the process has taken so far."""
        return self._taken.number

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits in the process."""
        return all(dispatcher.idle for dispatcher in self._dispatchers)

    def goes_on(self, quiet: bool) -> bool:
        """Whether a poller is to poll once more.

        In a process that is to end, a poller goes on while its queue brings messages
        and another poller still waits in a long poll: the process cannot end before.

        :param quiet: whether the last poll of this poller has brought nothing.
        """
        if self.wakeup.is_set or self._is_done():
            return False
        self.ending = self.ending or not self._may_go_on()
        return not self.ending or (self._waiting > 0 and not quiet)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Note that a poller is in a long poll while the context lasts."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def found_empty(self, receiver: str, taken: int) -> None:
        """Note that a receive was empty while no task ran that could have deferred.

        :param receiver: name of the receiver.
        :param taken: number of jobs that had been taken before the receive.
        """
        with self._lock:
            if taken > self._empty_since:
                self._empty_since = taken
                self._empty.clear()
            if taken == self._empty_since:
                self._empty.add(receiver)

    def _is_done(self) -> bool:
        """Whether this is a burst, and all receivers were empty since the last job."""
        with self._lock:
            return (
                self.burst
                and self._empty_since == self.taken
                and self._empty >= self.receivers
            )
