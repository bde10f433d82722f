"""Where a message goes that did not run to its end: back into its queue, or aside."""

from __future__ import annotations

import logging
import time

from ..brokers.base import Consumer, Delivery
from ..errors import MessageError, WebAppNeeded
from ..results.base import Failure, Outcome
from ..rows import Claim
from ..runtime import Runtime
from ..states import State
from .job import Job
from .replies import reply

logger = logging.getLogger(__name__)

_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 300.0


def release(
    delivery: Delivery,
    claim: Claim | None,
    delay_s: float,
    attempts: int,
    runtime: Runtime,
    consumer: Consumer,
) -> None:
    """Let a message be taken again in ``delay_s`` seconds.

    :param attempts: how many attempts count from now on.
    :raises LeaseLost: another run has it by now.
    """
    if claim is not None and runtime.rows is not None:
        state = State.PENDING if runtime.rows_are_messages else State.SENT
        runtime.rows.release(claim, state, delay_s, attempts)
    consumer.hide(delivery, delay_s)


def put_aside(
    delivery: Delivery,
    claim: Claim | None,
    failure: Failure,
    reason: str,
    runtime: Runtime,
    consumer: Consumer,
    *,
    reply_to: str | None = None,
) -> None:
    """Let a message fail for good: in its row, to its asker, to the dead letters.

    :param reply_to: id of the task whose asker waits for the outcome.
    :raises LeaseLost: another run has it by now.
    """
    outcome = Outcome(failure=failure)
    if claim is not None and runtime.rows is not None:
        runtime.rows.finish_apart(claim, outcome, runtime.settings.result_ttl)
    if reply_to is not None:
        reply(runtime, reply_to, outcome)
    consumer.bury(delivery, reason)


def give_back(
    job: Job, error: MessageError, runtime: Runtime, consumer: Consumer
) -> None:
    """Put back what this worker cannot run, but another one may.

    With a growing delay; after ``unknown_grace`` seconds it has failed. A task that
    just needs the web app is kept for as long as it takes.
    """
    unknown_s = unknown_for_s(job.delivery, job.claim, runtime)
    if unknown_s > runtime.settings.unknown_grace and not isinstance(
        error, WebAppNeeded
    ):
        logger.error("%s failed: %s (for %.0f s)", job, error, unknown_s)
        put_aside(
            job.delivery,
            job.claim,
            Failure(type(error).__name__, str(error)),
            str(error),
            runtime,
            consumer,
            reply_to=job.reply_to,
        )
        return
    delay_s = growing_delay_s(unknown_s)
    logger.warning("%s given back for %.0f s: %s", job, delay_s, error)
    # Nothing of it ran, so this was no attempt.
    release(job.delivery, job.claim, delay_s, job.attempt - 1, runtime, consumer)


def growing_delay_s(unknown_s: float) -> float:
    """The longer a message has been waiting already, the longer it may wait."""
    return min(max(unknown_s / 2, _FIRST_DELAY_S), _LONGEST_DELAY_S)


def unknown_for_s(delivery: Delivery, claim: Claim | None, runtime: Runtime) -> float:
    """For how long no worker has known what to do with a message."""
    if claim is not None and runtime.rows is not None:
        return runtime.rows.unknown_for_s(claim)
    first_s = delivery.first_received_s
    return 0.0 if first_s is None else max(0.0, time.time() - first_s)
