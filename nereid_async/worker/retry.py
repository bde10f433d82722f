"""Whether a task that raised is tried again, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

from trytond.exceptions import TrytonException

from ..database.errors import is_passing
from ..errors import MessageError, Retry, TransportUnavailable
from .intervals import USUAL, Intervals

#: An outage, or a failover, is one; a task that ends its own session each time has
#: to come to an end.
FREE_INTERRUPTIONS = 3

#: What another try does not mend: a user's mistake, missing rights, a value that
#: cannot travel.
_PERMANENT: tuple[type[BaseException], ...] = (TrytonException, MessageError)


@dataclass(frozen=True)
class Again:
    """Roll back and run it again in ``delay_s`` seconds."""

    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    """It has failed for good."""

    reason: str


def decide(
    error: BaseException,
    attempt: int,
    max_attempts: int,
    retry_on: tuple[type[BaseException], ...],
    intervals: Intervals = USUAL,
) -> Again | GiveUp:
    """Decide by the rules, in their order.

    ``Retry`` and interruptions come first; then what another try does not mend fails
    at once, unless ``retry_on`` names its class (not just a base of it such as
    Exception); then ``retry_on``. What is no Exception counts as one,
    but for sys.exit().

    :param attempt: the attempt that raised, from 1.
    """
    if isinstance(error, Retry) or is_interruption(error):
        wanted = True
    elif isinstance(error, _PERMANENT):
        wanted = any(
            isinstance(error, kind) and issubclass(kind, _PERMANENT)
            for kind in retry_on
        )
    elif isinstance(error, (Exception, SystemExit)):
        wanted = isinstance(error, retry_on)
    else:
        # asyncio.CancelledError and its like: as good a reason as any Exception.
        wanted = isinstance(error, retry_on) or Exception in retry_on
    if not wanted:
        return GiveUp("not to be tried again")
    if attempt >= max_attempts:
        return GiveUp(f"attempt {attempt} of {max_attempts}")
    if isinstance(error, Retry) and error.delay_s is not None:
        return Again(error.delay_s)
    return Again(backoff_s(attempt, intervals))


def is_interruption(error: BaseException) -> bool:
    """Whether not the task has failed, but what it runs on: a lost connection, say."""
    return isinstance(error, TransportUnavailable) or is_passing(error)


def backoff_s(attempt: int, intervals: Intervals = USUAL) -> float:
    """A delay that doubles with every attempt, with jitter against crowds."""
    longest_s = intervals.first_retry_s * 2.0 ** min(attempt - 1, 30)
    return min(longest_s, intervals.longest_retry_s) * random.uniform(0.5, 1.0)
