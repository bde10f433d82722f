"""Circuit breakers: while a service is down, requests do not wait for it.

What the service says of one queue opens the breaker of that queue alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..errors import TransportError


class CircuitBreaker:
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
        self._error: TransportError | None = None

    def objection(self) -> TransportError | None:
        """Why not to call now: the last failure. None for one caller in each pause."""
        with self._lock:
            if self._failures < self._limit:
                return None
            now_s = self._clock()
            if now_s < self._next_try_s:
                return self._error
            self._next_try_s = now_s + self._pause_s
            return None

    def succeeded(self) -> None:
        """A call was answered: close."""
        with self._lock:
            self._failures = 0

    def failed(self, error: TransportError) -> None:
        """A call was not answered as it should be."""
        with self._lock:
            self._error = error
            self._failures += 1
            if self._failures >= self._limit:
                self._next_try_s = self._clock() + self._pause_s


class CircuitBreakers:
    """One for the service, one for each queue that it refused lately. Thread-safe.

    :param new: makes one; for tests.
    """

    def __init__(self, new: Callable[[], CircuitBreaker] = CircuitBreaker) -> None:
        self._new = new
        self._service = new()
        self._queues: dict[str, CircuitBreaker] = {}

    def objection(self, queue: str) -> TransportError | None:
        """Why not to make a call on this queue now; None if it is to be made."""
        breaker = self._queues.get(queue)
        # The service's one try in a pause is not for a queue that objects itself.
        error = None if breaker is None else breaker.objection()
        return error or self._service.objection()

    def succeeded(self, queue: str) -> None:
        """A call on this queue was answered."""
        self._service.succeeded()
        self._queues.pop(queue, None)

    def failed(self, queue: str, error: TransportError) -> None:
        """A call on this queue was not answered, or refused."""
        if error.of_service:
            self._service.failed(error)
        else:
            # An answer all the same.
            self._service.succeeded()
            self._queues.setdefault(queue, self._new()).failed(error)
