"""Runs one job at a time and settles it by its outcome."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

from blinker import NamedSignal
from trytond import backend

from .. import signals
from ..database import connection_pool
from ..database.errors import is_passing
from ..database.session_limits import likely_limit
from ..errors import (
    DatabaseUnavailable,
    LeaseLost,
    ResultError,
    Retry,
    TaskCancelled,
    TransportError,
)
from ..messages.outcome import Failure
from ..runtime import Runtime
from ..texts import joined, one_line
from ..throttled_log import ThrottledLog
from ..tracing import Span
from . import outage, retry
from .attempt import Attempt
from .call import NotTaken
from .execution import Execution
from .interrupt import Interrupter
from .intervals import USUAL, Intervals
from .job import Job
from .lease import check_held
from .public_errors import is_for_users, is_public
from .run_log import CANCELLED, DONE, FAILED, RETRIED, facts
from .settlement import Ending, Settlement
from .tracebacks import let_go_of_cursors, without_ours

logger = logging.getLogger(__name__)
#: For warnings that only a change of the settings ends.
_hourly = ThrottledLog(logger, interval_s=3_600)


class Runner:
    """Runs jobs. Thread-safe.

    :param name: name of this worker, for rows.
    """

    def __init__(
        self,
        runtime: Runtime,
        settlement: Settlement,
        interrupter: Interrupter,
        name: str,
        intervals: Intervals = USUAL,
    ) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._interrupter = interrupter
        self._name = name
        self._intervals = intervals
        self._log = ThrottledLog(logger)

    def run(self, job: Job) -> str | None:
        """Run a job and settle it. Never raises.

        :returns: what became of it: done, failed, retried or cancelled; None if
            another worker has it, or it could not be settled, or it did not run.
        """
        try:
            return self._run(job)
        except (LeaseLost, TransportError, backend.DatabaseOperationalError) as error:
            # The outcome is durable, or the run was rolled back; the message comes
            # again for the rest. After a lost lease, the worker that has the task now
            # acknowledges it.
            self._log.warning(
                (type(error), job.message.target.name), "%s: %s", job, error
            )
            if isinstance(error, LeaseLost):
                self._emit(signals.lease_lost, job)
        except BaseException:
            # The thread must go on, whatever the error is.
            logger.exception("%s: the worker failed", job)
        return None

    def _run(self, job: Job) -> str | None:
        message = job.message
        # The job may have waited here for longer than its lease: in a stopped process.
        check_held(job)
        if job.is_to_stop:
            return self._cancelled(job)
        if job.attempt > message.max_attempts:
            return self._died(job)
        self._emit(signals.task_started, job, attempt=job.attempt)
        with self._runtime.tracing.running(message, job.attempt) as span:
            outcome = self._run_attempt(Attempt(job), span)
            if outcome is not None:
                span.ended(outcome)
        return outcome

    def _run_attempt(self, attempt: Attempt, span: Span) -> str | None:
        job = attempt.job
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s starts", job, extra=facts(job))
        try:
            with self._interrupter.watched(attempt):
                outcome = Execution(attempt, self._runtime, self._name).run()
        except LeaseLost:
            raise
        except NotTaken as refusal:
            span.failed(refusal.error)
            return FAILED if self._settlement.unknown(job, refusal.error) else None
        except BaseException as error:
            # sys.exit() in a task, or a cancelled coroutine, must not end the worker.
            without_ours(error)
            let_go_of_cursors(error)
            explained = self._explained(error, attempt.started_s)
            settled = self._failed(attempt, explained)
            reason = _reason(explained)
            if settled != CANCELLED and reason is not None:
                span.failed(reason)
            return settled
        if logger.isEnabledFor(logging.INFO):
            told = facts(job, DONE, attempt.started_s)
            logger.info("%s: done in %.0f ms", job, told["duration_ms"], extra=told)
        self._settlement.succeed(job, outcome)
        return DONE

    def _emit(self, signal: NamedSignal, job: Job, **facts: Any) -> None:
        signals.emit(signal, self._runtime.database, message=job.message, **facts)

    def _died(self, job: Job) -> str:
        """Fail a task whose runs all ended without an outcome."""
        died = Failure(
            "WorkerDied",
            f"no outcome after {job.message.max_attempts} attempt(s): the workers "
            "were killed, or sent no heartbeat in time",
        )
        logger.error(
            "%s failed for good, error %s: %s",
            job,
            died.id,
            died.text,
            extra=facts(job, FAILED, error_id=died.id),
        )
        self._settlement.fail(job, died, None)
        return FAILED

    def _cancelled(self, job: Job) -> str:
        self._settlement.cancel(job)
        return CANCELLED

    def _explained(self, error: BaseException, started_s: float) -> BaseException:
        """Turn the database's error that interrupted a run into a readable one."""
        if not is_passing(error):
            return error
        connection_pool.forget_after(self._runtime.database, error)
        ran_s = time.monotonic() - started_s
        hint = likely_limit(self._runtime.database, ran_s)
        text = f"the database ended the run: {one_line(error)}{hint}"
        explained = DatabaseUnavailable(text)
        explained.__cause__ = error
        return explained

    def _failed(self, attempt: Attempt, error: BaseException) -> str:
        job = attempt.job
        # A ResultCancelled is of another task, whose result this one has read.
        if isinstance(error, TaskCancelled) and not isinstance(error, ResultError):
            return self._cancelled(job)
        if retry.is_interruption(error) and self._interrupted(job, error):
            return RETRIED
        self._warn_of_snoozes(job, error)
        decision = self._decision(attempt, error)
        if isinstance(decision, Failure):
            self._settlement.fail(job, decision, error)
            return FAILED
        self._settlement.retry(job, decision.delay_s, error, counts=decision.counts)
        return RETRIED

    def abandon(self, attempt: Attempt) -> Ending | None:
        """Let a stuck attempt have failed, as this process is about to end with it.

        :returns: for the row, which may be locked until the process has ended: by the
            attempt itself, on SQLite. None without a row: then all is settled.
        """
        job, error = attempt.job, attempt.error()
        if job.claim is None:
            self._failed(attempt, error)
            return None
        if isinstance(error, TaskCancelled):
            return self._settlement.announce(job, Ending(), error)
        decision = self._decision(attempt, error)
        if isinstance(decision, Failure):
            ending = Ending(replace(decision, traceback=attempt.stack))
        else:
            failure = replace(Failure.of(error), traceback=attempt.stack)
            ending = Ending(failure, decision.delay_s)
        return self._settlement.announce(job, ending, error)

    def _warn_of_snoozes(self, job: Job, error: BaseException) -> None:
        if retry.is_free(error) and not job.message.outbox:
            _hourly.warning(
                job.message.target.name,
                "%s asked for another run with counts=False, which counts all the "
                "same: without an outbox attempts are receives. Set outbox = yes",
                job,
            )

    def _decision(
        self, attempt: Attempt, error: BaseException
    ) -> retry.Again | Failure:
        """Decide what follows from an error, and log it."""
        job, options = attempt.job, attempt.options
        decision = retry.decide(error, job.attempt, job.message, options.retry_on)
        if isinstance(decision, retry.Again):
            self._tell_again(attempt, decision, error)
            return decision
        names = self._runtime.settings.public_errors
        told = retry.reason_of(error) or error
        failure = Failure.of(told, public=is_public(told, options.public_errors, names))
        extra = facts(job, FAILED, attempt.started_s, failure.id)
        text = "%s failed for good (%s), error %s"
        args = job, decision.reason, failure.id
        if is_for_users(told):
            why = joined(failure.text)
            logger.warning(text + ": %s", *args, why, extra=extra)
        else:
            logger.error(text, *args, exc_info=error, extra=extra)
        return failure

    def _tell_again(
        self, attempt: Attempt, decision: retry.Again, error: BaseException
    ) -> None:
        """Log another attempt; with a traceback only if the task itself has failed."""
        job = attempt.job
        again = f"attempt {job.attempt}; again in {decision.delay_s:.1f} s"
        if retry.is_interruption(error):
            self._log.warning(
                ("interrupted too often", job.message.target.name),
                "%s was interrupted once more, which counts as %s: %s",
                job,
                again,
                error,
            )
            return
        reason = _reason(error)
        level = logging.INFO if reason is None else logging.WARNING
        if not logger.isEnabledFor(level):
            return
        told = facts(job, RETRIED, attempt.started_s)
        if isinstance(error, Retry):
            counted = "" if decision.counts else ", which is no attempt"
            why = "" if reason is None else f": {type(reason).__name__}: {reason}"
            text = "%s asked for another run in %s%s%s"
            logger.log(level, text, job, again, counted, why, extra=told)
        elif is_for_users(error):
            why = joined(Failure.of(error).text)
            logger.warning("%s failed, %s: %s", job, again, why, extra=told)
        else:
            logger.warning("%s failed, %s", job, again, exc_info=error, extra=told)

    def _interrupted(self, job: Job, error: BaseException) -> bool:
        """Let an interrupted task run again without counting the attempt.

        :returns: False if it has no row, or was interrupted too often: it counts.
        """
        count = outage.outlast(job, job.row.interrupted)
        if count is None or count > retry.FREE_INTERRUPTIONS:
            return False
        delay_s = retry.backoff_s(count, self._intervals.interruption_delay_s)
        self._log.warning(
            ("interrupted", job.message.target.name),
            "%s was interrupted, which is no attempt; again in %.1f s: %s",
            job,
            delay_s,
            error,
        )
        self._settlement.retry(job, delay_s, error, counts=False)
        return True


def _reason(error: BaseException) -> BaseException | None:
    """Why a task runs again, or has failed; None if it has only asked for a run."""
    return retry.reason_of(error) if isinstance(error, Retry) else error
