"""Decides whether a task that raised runs again, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

from trytond.exceptions import TrytonException

from ..database.errors import is_passing
from ..errors import MessageError, Retry, TransportUnavailable
from ..limits import RETRY_DELAY_MAX_S
from ..messages.message import Message

#: Interruptions of a task that do not count as attempts. An outage or a failover is
#: one; a task that crashes its own session each time must fail at last.
FREE_INTERRUPTIONS = 3

#: Errors that another attempt does not mend: a user's mistake, missing rights, a value
#: that cannot be serialised.
_PERMANENT: tuple[type[BaseException], ...] = (TrytonException, MessageError)


@dataclass(frozen=True)
class Again:
    """The task runs again in ``delay_s`` seconds.

    :ivar counts: whether the attempt counts.
    """

    delay_s: float
    counts: bool = True


@dataclass(frozen=True)
class GiveUp:
    """The task has failed for good.

    :ivar reason: why it does not run again, for the log.
    """

    reason: str


def decide(
    error: BaseException,
    attempt: int,
    message: Message,
    retry_on: tuple[type[BaseException], ...],
) -> Again | GiveUp:
    """Decide by these rules, the first that applies:

    1. ``Retry`` and interruptions run again.
    2. Errors that another attempt does not mend (Tryton's own exceptions, values that
       cannot be serialised) run again only if ``retry_on`` names their class or a base
       of that kind; ``Exception`` does not suffice.
    3. Exceptions and ``SystemExit`` run again if ``retry_on`` names them or a base.
    4. Other BaseExceptions count as an Exception.

    All of them only until ``max_attempts`` is reached, except for a ``Retry`` that does
    not count.

    :param attempt: number of the attempt that raised, from 1.
    :param message: its ``max_attempts``, ``retry_delay_s``, and whether it has a row.
    :param retry_on: as the task has declared it.
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
        # Such as asyncio.CancelledError.
        wanted = isinstance(error, retry_on) or Exception in retry_on
    if not wanted:
        return GiveUp("not to be tried again")
    # Without a row each receive counts, whatever the task wants.
    counts = not is_free(error) or not message.outbox
    if counts and attempt >= message.max_attempts:
        return GiveUp(f"attempt {attempt} of {message.max_attempts}")
    delay_s = error.delay_s if isinstance(error, Retry) else None
    if delay_s is None:
        delay_s = backoff_s(attempt, message.retry_delay_s)
    return Again(delay_s, counts)


def is_free(error: BaseException) -> bool:
    """Whether an error is a ``Retry`` that does not count as an attempt."""
    return isinstance(error, Retry) and not error.counts


def reason_of(error: BaseException) -> BaseException | None:
    """The error because of which a task has raised ``Retry``; None without one."""
    if not isinstance(error, Retry):
        return None
    hidden = error.__suppress_context__
    return error.__cause__ or (None if hidden else error.__context__)


def is_interruption(error: BaseException) -> bool:
    """Whether the database or queue service failed, not the task."""
    return isinstance(error, TransportUnavailable) or is_passing(error)


def backoff_s(attempt: int, first_s: float) -> float:
    """A delay in seconds that doubles with each attempt, up to an hour, with jitter.

    :param first_s: the longest delay after the first attempt.
    """
    longest_s = first_s * 2.0 ** min(attempt - 1, 30)
    return min(longest_s, RETRY_DELAY_MAX_S) * random.uniform(0.5, 1.0)
