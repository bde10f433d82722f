"""Takes one message at a time through its run, and sees to what follows from it."""

from __future__ import annotations

import logging
import time

from trytond import backend
from trytond.transaction import Transaction

from .. import signals
from ..errors import LeaseLost, TransportError
from ..results.base import Failure, Outcome
from ..runtime import Runtime
from ..targets import find
from . import retry
from .call import NotTaken
from .execution import execute
from .job import Job
from .settlement import Settlement

logger = logging.getLogger(__name__)


class Runner:
    """Runs jobs. Thread-safe.

    :param name: how rows and logs name this worker.
    """

    def __init__(self, runtime: Runtime, settlement: Settlement, name: str) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._name = name

    def run(self, job: Job) -> None:
        """Run a job to its end, whatever that is. Never raises."""
        try:
            self._run(job)
        except LeaseLost as error:
            # Not acknowledged: whoever has it now does that.
            logger.warning("%s: %s", job, error)
        except (TransportError, backend.DatabaseOperationalError) as error:
            # Its outcome is durable or nobody's; what is left comes again by itself.
            logger.warning("%s: %s", job, error)
        except BaseException:
            # Whatever it was: it is not to cost the worker a thread.
            logger.exception("%s: the worker failed", job)

    def _run(self, job: Job) -> None:
        message = job.message
        if job.attempt > message.max_attempts:
            # Each of its runs ended without an outcome: they were killed.
            died = Failure(
                "WorkerDied",
                f"no outcome after {message.max_attempts} attempt(s): the workers "
                "were killed, or gave no sign of life in time",
            )
            self._give_up(job, died, None)
            return
        signals.emit(
            signals.task_started,
            self._runtime.database,
            message=message,
            attempt=job.attempt,
        )
        started_s = time.monotonic()
        try:
            outcome = execute(job, self._runtime, self._name)
        except LeaseLost:
            raise
        except NotTaken as refusal:
            if self._settlement.unknown(job, refusal.error):
                self._emit_failed(job, refusal.error)
        except BaseException as error:
            # sys.exit() in a task, or a cancelled coroutine, ends the task, not the
            # worker.
            self._failed(job, error)
        else:
            logger.info("%s: done in %.0f ms", job, _ms_since(started_s))
            self._succeeded(job, outcome)

    def _succeeded(self, job: Job, outcome: Outcome) -> None:
        self._settlement.succeed(job, outcome)
        signals.emit(
            signals.task_succeeded,
            self._runtime.database,
            message=job.message,
            result=outcome.value,
        )

    def _failed(self, job: Job, error: BaseException) -> None:
        decision = retry.decide(
            error, job.attempt, job.message.max_attempts, self._retry_on(job)
        )
        if isinstance(decision, retry.GiveUp):
            logger.error(
                "%s failed for good (%s)", job, decision.reason, exc_info=error
            )
            self._give_up(job, Failure.of(error), error)
            return
        logger.warning(
            "%s failed, attempt %d; again in %.1f s",
            job,
            job.attempt,
            decision.delay_s,
            exc_info=error,
        )
        self._settlement.retry(job, decision.delay_s)
        signals.emit(
            signals.task_retried,
            self._runtime.database,
            message=job.message,
            delay_s=decision.delay_s,
            error=error,
        )

    def _retry_on(self, job: Job) -> tuple[type[BaseException], ...]:
        """The classes cannot travel: they are read from the declaration."""
        with Transaction().start(self._runtime.database, 0, readonly=True):
            options = getattr(find(job.message.target), "task_options", None)
        return (Exception,) if options is None else options.retry_on

    def _give_up(self, job: Job, failure: Failure, error: BaseException | None) -> None:
        self._settlement.fail(job, failure)
        self._emit_failed(job, error)

    def _emit_failed(self, job: Job, error: BaseException | None) -> None:
        signals.emit(
            signals.task_failed,
            self._runtime.database,
            message=job.message,
            error=error,
        )


def _ms_since(started_s: float) -> float:
    return (time.monotonic() - started_s) * 1_000
