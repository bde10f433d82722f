"""A log that repeats the same problem once per interval, with a count."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable

_INTERVAL_S = 60.0
#: Kinds that are remembered; more than a worker meets. The oldest are forgotten.
_KINDS_MAX = 1_000


class ThrottledLog:
    """Logs one line per kind and interval. Thread-safe.

    :param interval_s: how long a kind is suppressed after a line, in seconds.
    :param clock: returns the time in seconds; for tests.
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
        #: When a kind was last logged, and how often it was suppressed since.
        self._told: dict[Hashable, tuple[float, int]] = {}

    def log(
        self,
        level: int,
        kind: Hashable,
        text: str,
        *args: object,
        exc_info: bool = False,
    ) -> bool:
        """Log a line, unless one of its kind was logged within the interval.

        :param kind: lines of an equal kind count as the same, whatever their texts.
        :param exc_info: whether to log the traceback of the current exception.
        :returns: whether it was logged.
        """
        with self._lock:
            now_s = self._clock()
            told_at_s, left_out = self._told.get(kind, (float("-inf"), 0))
            if now_s - told_at_s < self._interval_s:
                self._told[kind] = (told_at_s, left_out + 1)
                return False
            # Put at the end: the kind logged longest ago is first.
            self._told.pop(kind, None)
            self._told[kind] = (now_s, 0)
            if len(self._told) > _KINDS_MAX:
                del self._told[next(iter(self._told))]
        if left_out:
            text += " (and %d more since the last such line)"
            args = (*args, left_out)
        self._logger.log(level, text, *args, exc_info=exc_info)
        return True

    def forget(self, older_than_s: float) -> None:
        """Let kinds be logged again whose last line is older than so many seconds."""
        if not self._told:
            return
        with self._lock:
            horizon_s = self._clock() - older_than_s
            self._told = {
                kind: told for kind, told in self._told.items() if told[0] > horizon_s
            }

    def warning(self, kind: Hashable, text: str, *args: object) -> bool:
        """As :meth:`log`, with level WARNING."""
        return self.log(logging.WARNING, kind, text, *args)

    def error(self, kind: Hashable, text: str, *args: object) -> bool:
        """As :meth:`log`, with level ERROR."""
        return self.log(logging.ERROR, kind, text, *args)
