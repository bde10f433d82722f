"""Putting a message back: to be tried again, or for a worker that knows its task."""

from __future__ import annotations

import logging
import time

from ..brokers.base import Consumer
from ..errors import MessageError, WebAppNeeded
from ..results.base import Failure, Outcome
from ..runtime import Runtime
from ..states import State
from .job import Job

logger = logging.getLogger(__name__)

_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 300.0


def release(
    job: Job,
    delay_s: float,
    runtime: Runtime,
    consumer: Consumer,
    *,
    counts: bool = True,
) -> None:
    """Let a job be taken again in ``delay_s`` seconds.

    :param counts: whether this was an attempt.
    :raises LeaseLost: another run has it by now.
    """
    if job.claim is not None and runtime.rows is not None:
        state = State.PENDING if runtime.rows_are_messages else State.SENT
        attempts = job.attempt if counts else job.attempt - 1
        runtime.rows.release(job.claim, state, delay_s, attempts)
    consumer.hide(job.delivery, delay_s)


def give_back(
    job: Job, error: MessageError, runtime: Runtime, consumer: Consumer
) -> None:
    """Put back what this worker cannot run, but another one may.

    With a growing delay; after ``unknown_grace`` seconds it has failed. A task that
    just needs the web app is kept for as long as it takes.
    """
    unknown_s = _unknown_for_s(job, runtime)
    patience_s = runtime.settings.unknown_grace
    if unknown_s > patience_s and not isinstance(error, WebAppNeeded):
        logger.error("%s failed: %s (for %.0f s)", job, error, unknown_s)
        failure = Failure(type(error).__name__, str(error))
        if job.claim is not None and runtime.rows is not None:
            runtime.rows.finish_apart(
                job.claim, Outcome(failure=failure), runtime.settings.result_ttl
            )
        if job.message.keep_result:
            runtime.results.put(job.message.id, Outcome(failure=failure))
        consumer.bury(job.delivery, str(error))
        return
    delay_s = growing_delay_s(unknown_s)
    logger.warning("%s given back for %.0f s: %s", job, delay_s, error)
    release(job, delay_s, runtime, consumer, counts=False)


def growing_delay_s(unknown_s: float) -> float:
    """The longer a message has been waiting already, the longer it may wait."""
    return min(max(unknown_s / 2, _FIRST_DELAY_S), _LONGEST_DELAY_S)


def _unknown_for_s(job: Job, runtime: Runtime) -> float:
    if job.claim is not None and runtime.rows is not None:
        return runtime.rows.unknown_for_s(job.claim)
    first_s = job.delivery.first_received_s
    return 0.0 if first_s is None else max(0.0, time.time() - first_s)
