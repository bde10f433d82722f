"""What the pollers of a process have in common: whether to go on, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..wakeup import Wakeup
from .dispatch import Dispatcher
from .options import WorkerOptions

#: What waits in a queue is there within that time.
_SOON_S = 0.1


class PollState:
    """Tells pollers when to end. Thread-safe.

    :param receivers: how many there are.
    :param may_go_on: asked before each poll, until it says no.
    :ivar wakeup: set when the process is to stop.
    :ivar wait_s: how long a poll is to wait for messages, in seconds.
    :ivar ending: whether the process is to end.
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
        # An idle process has to give signs of life, too.
        self.wait_s = min(wait_s, options.stuck_after_s / 2)
        self.ending = False
        self._receivers = receivers
        self._dispatcher = dispatcher
        self._may_go_on = may_go_on
        self._lock = threading.Lock()
        self._waiting = 0
        self._answered = threading.Condition()
        self._expected_until_s = 0.0
        #: Who was found empty since so many jobs had been taken.
        self._empty: set[str] = set()
        self._empty_since = 0

    def goes_on(self, quiet: bool) -> bool:
        """Whether to poll once more.

        What has just brought messages is polled for as long as others wait, and so keep
        a process that is to end.

        :param quiet: whether the last poll has brought nothing.
        """
        if self.wakeup.is_set or self._is_done():
            return False
        self.ending = self.ending or not self._may_go_on()
        return not self.ending or (self._waiting > 0 and not quiet)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Note that a poller waits, in the context, for up to a long poll's time."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Poll what has just brought messages, when no other such poll is under way.

        Each would bring as many as the process has room for. One that is not answered
        soon does not keep the others.
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
        """Note that a receiver was empty while nothing ran that could have made more.

        :param taken: how many jobs had been taken when it was asked.
        """
        with self._lock:
            if taken > self._empty_since:
                self._empty_since = taken
                self._empty.clear()
            if taken == self._empty_since:
                self._empty.add(receiver)

    def _is_done(self) -> bool:
        """Whether it is a burst, and nothing is left."""
        with self._lock:
            return (
                self.burst
                and self._empty_since == self._dispatcher.taken
                and len(self._empty) == self._receivers
            )
