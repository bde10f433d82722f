"""A circuit breaker: while a service is down, requests do not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Circuit:
    """Opens after failures in a row, then lets one call through now and then.

    Thread-safe.

    :param failures: how many in a row open it.
    :param pause_s: seconds between two tries while it is open.
    :param clock: tells the time in seconds; for tests.
    """

    def __init__(
        self,
        failures: int = 3,
        pause_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try_s = 0.0

    def lets_through(self) -> bool:
        """Whether to make a call now; while open, one caller in each pause may."""
        with self._lock:
            if self._failures < self._limit:
                return True
            now_s = self._clock()
            if now_s < self._next_try_s:
                return False
            self._next_try_s = now_s + self._pause_s
            return True

    def succeeded(self) -> None:
        """A call was answered: close."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """A call was not answered."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._limit:
                self._next_try_s = self._clock() + self._pause_s
