"""State that the pollers of a process share: when to poll, and when to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..wakeup import Wakeup
from .dispatch import Dispatcher
from .options import WorkerOptions

#: A receive from a queue that is not empty is answered within that time.
_SOON_S = 0.1


class PollState:
    """Tells pollers when to end. Thread-safe.

    :param receivers: number of receivers of the process.
    :param may_go_on: called before each poll, until it returns False.
    :ivar burst: whether the process ends when no due task is left.
    :ivar wakeup: set when the process is to stop.
    :ivar wait_s: how long a poll waits for messages, in seconds.
    :ivar ending: whether ``may_go_on`` has returned False.
    """

    def __init__(
        self,
        receivers: int,
        dispatcher: Dispatcher,
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
        self._receivers = receivers
        self._dispatcher = dispatcher
        self._may_go_on = may_go_on
        self._lock = threading.Lock()
        self._waiting = 0
        self._answered = threading.Condition()
        self._expected_until_s = 0.0
        #: The receivers found empty when ``_empty_since`` jobs had been taken.
        self._empty: set[str] = set()
        self._empty_since = 0

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

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Wait until no other poller expects messages; expect some in the context.

        A queue that has just brought messages likely has more, and each poll asks for
        as many as the process has room for: two at a time would bring too many. A poll
        that is not answered within 0.1 s does not delay the others.
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
                and self._empty_since == self._dispatcher.taken
                and len(self._empty) == self._receivers
            )
