"""Circuit breakers: requests do not wait for a service that is down.

A failure of one queue opens the breaker of that queue only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..errors import TransportError


class CircuitBreaker:
    """Opens after failures in a row; then lets one call through per pause. Thread-safe.

    :param failures: number of failures in a row that open it.
    :param pause_s: seconds between two tries while it is open.
    :param clock: returns the time in seconds; for tests.
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
        """The last failure, if no call is to be made now; None if one may be made.

        While it is open, None is returned once per pause.
        """
        with self._lock:
            if self._failures < self._limit:
                return None
            now_s = self._clock()
            if now_s < self._next_try_s:
                return self._error
            self._next_try_s = now_s + self._pause_s
            return None

    def succeeded(self) -> None:
        """Note that a call was answered: closes the breaker."""
        with self._lock:
            self._failures = 0

    def failed(self, error: TransportError) -> None:
        """Note that a call has failed."""
        with self._lock:
            self._error = error
            self._failures += 1
            if self._failures >= self._limit:
                self._next_try_s = self._clock() + self._pause_s


class CircuitBreakers:
    """The breaker of a service, and those of queues that failed lately. Thread-safe.

    :param new: makes a breaker; for tests.
    """

    def __init__(self, new: Callable[[], CircuitBreaker] = CircuitBreaker) -> None:
        self._new = new
        self._service = new()
        self._queues: dict[str, CircuitBreaker] = {}

    def objection(self, queue: str) -> TransportError | None:
        """The reason not to call this queue now; None if a call may be made."""
        breaker = self._queues.get(queue)
        # The queue's first, so as not to waste the service's one try per pause on it.
        error = None if breaker is None else breaker.objection()
        return error or self._service.objection()

    def succeeded(self, queue: str) -> None:
        """Note that a call on this queue was answered."""
        self._service.succeeded()
        self._queues.pop(queue, None)

    def failed(self, queue: str, error: TransportError) -> None:
        """Note that a call on this queue was refused or not answered."""
        if error.of_service:
            self._service.failed(error)
        else:
            # The service has answered, though with a refusal.
            self._service.succeeded()
            self._queues.setdefault(queue, self._new()).failed(error)
