"""A log that says the same once an interval, with a count of what it left out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable

_INTERVAL_S = 60.0
#: More kinds than any worker meets; the oldest are forgotten beyond it.
_KINDS_MAX = 1_000


class ThrottledLog:
    """Logs one line a kind and interval. Thread-safe.

    :param logger: where the lines go.
    :param interval_s: how long a kind is left out after it was told, in seconds.
    :param clock: tells the time in seconds; for tests.
    """

    def __init__(
        self,
        logger: logging.Logger,
        interval_s: float = _INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        #: When a kind was last told, and how often it came since.
        self._told: dict[Hashable, tuple[float, int]] = {}

    def log(
        self,
        level: int,
        kind: Hashable,
        text: str,
        *args: object,
        exc_info: bool = False,
    ) -> bool:
        """Log a line, unless its kind was told within the interval.

        :param kind: what makes two lines the same, such as a task's name.
        :param exc_info: whether the traceback of what is being handled is told as well.
        :return: whether it was logged.
        """
        with self._lock:
            now_s = self._clock()
            told_at_s, left_out = self._told.get(kind, (float("-inf"), 0))
            if now_s - told_at_s < self._interval_s:
                self._told[kind] = (told_at_s, left_out + 1)
                return False
            # A kind told anew goes to the end, so that the oldest stand first.
            self._told.pop(kind, None)
            self._told[kind] = (now_s, 0)
            if len(self._told) > _KINDS_MAX:
                del self._told[next(iter(self._told))]
        if left_out:
            text += " (and %d more of the kind since it was last told)"
            args = (*args, left_out)
        self._logger.log(level, text, *args, exc_info=exc_info)
        return True

    def warning(self, kind: Hashable, text: str, *args: object) -> bool:
        """As :meth:`log`, with level WARNING."""
        return self.log(logging.WARNING, kind, text, *args)

    def error(self, kind: Hashable, text: str, *args: object) -> bool:
        """As :meth:`log`, with level ERROR."""
        return self.log(logging.ERROR, kind, text, *args)
