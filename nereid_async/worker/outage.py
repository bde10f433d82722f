"""Repeats a database call that must be made, for as long as an outage lasts."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import DatabaseUnavailable
from ..throttled_log import ThrottledLog
from .job import Job

_throttled = ThrottledLog(logging.getLogger(__name__))

T = TypeVar("T")

#: Longer than a failover takes. After that the lease ends, and the task comes again.
_LONGEST_S = 600.0
#: Shorter than a lease usually is: the call is made before another worker may take it.
_PAUSE_S = 1.0


def outlast(job: Job, call: Callable[[], T]) -> T:
    """Make a call again until the database answers, and return its value.

    :param job: what the call is made for, for the log.
    :raises DatabaseUnavailable: the database did not answer for ten minutes.
    """
    deadline_s = time.monotonic() + _LONGEST_S
    while True:
        try:
            return call()
        except DatabaseUnavailable as error:
            if time.monotonic() >= deadline_s:
                raise
            _throttled.warning("outage", "%s waits for the database: %s", job, error)
        time.sleep(_PAUSE_S * random.uniform(0.5, 1.0))
