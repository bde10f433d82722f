"""What has to be noted of a task, and the database does not take it for a while."""

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

#: Longer than a failover takes; what is left then comes again by itself.
_LONGEST_S = 600.0
#: Shorter than anybody waits before he takes over what gives no sign of life.
_PAUSE_S = 1.0


def outlast(job: Job, call: Callable[[], T]) -> T:
    """Make a call until the database does what it says, for as long as an outage lasts.

    :raises DatabaseUnavailable: it did not for ten minutes.
    """
    deadline_s = time.monotonic() + _LONGEST_S
    while True:
        try:
            return call()
        except DatabaseUnavailable as error:
            if time.monotonic() >= deadline_s:
                raise
            _throttled.warning("outage", "%s waits to be noted: %s", job, error)
        time.sleep(_PAUSE_S * random.uniform(0.5, 1.0))
