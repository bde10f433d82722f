"""Settles deliveries: acknowledges, releases or dead-letters them, and replies.

A task that has run is settled even after an outage of the database: the call is
repeated meanwhile, while no other worker can claim the task either.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

from blinker import NamedSignal

from .. import batch_end, signals
from ..brokers.base import Consumer, Delivery
from ..errors import MessageError, TaskCancelled, TransportError, WebAppNeeded
from ..messages.outcome import Failure, Outcome
from ..rows import FailedAttempt
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from . import notices, outage, retry
from .held_members import HeldMembers
from .job import Held, Job, Pointed, Unread
from .public_errors import with_sentence
from .run_log import CANCELLED, facts

logger = logging.getLogger(__name__)

_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 300.0
#: Shorter for a message of another database, whose own worker may be waiting for it.
_LONGEST_FOREIGN_DELAY_S = 30.0


@dataclass(frozen=True)
class Ending:
    """How an attempt has ended that only the end of its process could end.

    :ivar failure: why it has failed; None if it was cancelled.
    :ivar delay_s: in how many seconds the task runs again; None for never.
    """

    failure: Failure | None = None
    delay_s: float | None = None


class Settlement:
    """Settles the deliveries of one consumer. Thread-safe.

    :param members: the members of batches that the process holds; None for none.
    """

    def __init__(
        self,
        runtime: Runtime,
        consumer: Consumer,
        members: HeldMembers | None = None,
    ) -> None:
        self._runtime = runtime
        self._consumer = consumer
        self._members = members or HeldMembers()
        self._log = ThrottledLog(logger)

    # -- it has run ----------------------------------------------------------------

    def succeed(self, job: Job, outcome: Outcome) -> None:
        """Reply to the owner of a task that is committed, then acknowledge.

        :raises TransportError: the reply could not be sent now; the message comes
            again for it.
        """
        self._reply(job, outcome)
        self._consumer.acknowledge([job.delivery])
        self._emit(signals.task_succeeded, job, result=outcome.value)
        self._ended(job)

    def retry(
        self, job: Job, delay_s: float, error: BaseException, *, counts: bool = True
    ) -> None:
        """Let a task whose attempt has failed run again in ``delay_s`` seconds.

        If it was asked to stop, it is cancelled instead.

        :param error: the error of the attempt, for the signal.
        :param counts: whether the attempt counts.
        :raises LeaseLost: another run has the task by now.
        """
        attempts = job.attempt if counts else job.row.attempts
        failure = Failure.of(retry.reason_of(error) or error)
        failed = FailedAttempt(failure, job.attempt, counts)
        if outage.outlast(job, lambda: self._release(job, delay_s, attempts, failed)):
            self._emit(signals.task_retried, job, delay_s=delay_s, error=error)

    def fail(self, job: Job, failure: Failure, error: BaseException | None) -> None:
        """Fail a task: write its row, reply to its owner, dead-letter its message.

        :param error: what the task raised, for the signal; None if its worker died.
        :raises LeaseLost: another run has the task by now.
        """
        # Without an error no attempt was started: the earlier ones had no outcome.
        attempt = job.row.attempts if error is None else job.attempt
        failed = FailedAttempt(failure, attempt)
        outage.outlast(job, lambda: self._fail(job, failure, failed))
        self._emit(signals.task_failed, job, error=error)
        notices.failed(job.message, failure, error, self._runtime)
        self._ended(job)

    def cancel(self, job: Job) -> None:
        """Cancel a task whose run was rolled back, or has not begun.

        :raises LeaseLost: another run has the task by now.
        """
        outage.outlast(job, job.row.cancel)
        self._cancelled(job)

    def announce(self, job: Job, ending: Ending, error: BaseException) -> Ending:
        """Send the signal of an ending that the parent process will write.

        :returns: the ending, as :meth:`write_ending` takes it.
        """
        if ending.failure is None:
            self._emit(signals.task_cancelled, job)
        elif ending.delay_s is None:
            self._emit(signals.task_failed, job, error=error)
            notices.failed(job.message, ending.failure, error, self._runtime)
            failure = with_sentence(ending.failure, job.message, self._runtime)
            return replace(ending, failure=failure)
        else:
            self._emit(signals.task_retried, job, delay_s=ending.delay_s, error=error)
        return ending

    def write_ending(self, held: Held, ending: Ending) -> None:
        """Write how a run has ended whose process has ended with it.

        :raises LeaseLost: another run has the task by now.
        """
        if ending.failure is None:
            held.row.cancel()
            self._cancelled(held)
            return
        attempt = held.row.attempts + 1
        failed = FailedAttempt(ending.failure, attempt)
        if ending.delay_s is not None:
            self._release(held, ending.delay_s, attempt, failed)
            return
        outcome = Outcome(failure=ending.failure)
        held.row.fail(outcome, self._runtime.settings.result_ttl, failed)
        # The message comes again, which sends the reply and the dead letter.
        self._consumer.release(held.delivery, 0)

    # -- it has not run ------------------------------------------------------------

    def hand_back(self, held: Held) -> None:
        """Release a job that has not started here, or was aborted, at once.

        The attempt does not count.

        :raises LeaseLost: another run has the task by now.
        """
        self._release(held, None, held.row.attempts)

    def leave(self, held: Held, delay_s: float = _FIRST_DELAY_S) -> None:
        """Release a message that was not claimed, for ``delay_s`` seconds."""
        self._consumer.release(held.delivery, delay_s)

    def unknown(self, held: Held, error: MessageError) -> bool:
        """Release a message that this worker cannot run, but a newer one may.

        With a growing delay, and without counting the attempt. After ``unknown_grace``
        seconds it fails. A task that only needs a worker with the web app is released
        for as long as that takes.

        :returns: whether it has failed.
        :raises LeaseLost: another run has the task by now.
        """
        if not isinstance(held, Job):
            return self._unknown(held, error)
        failed = outage.outlast(held, lambda: self._unknown(held, error))
        if failed:
            self._emit(signals.task_failed, held, error=error)
            self._ended(held)
        return failed

    def _unknown(self, held: Held, error: MessageError) -> bool:
        """As :meth:`unknown`; returns whether the task has failed."""
        unknown_s = _unknown_for_s(held)
        lasts = isinstance(error, WebAppNeeded)
        if unknown_s >= self._runtime.settings.unknown_grace and not lasts:
            failure = Failure.of(error, traced=False)
            text = f"{failure.message} (no worker knew it for {unknown_s:.0f} s)"
            # Undecodable messages share one entry: anybody may send any number.
            task = "" if isinstance(held, Unread) else str(held)
            kind = ("never known", type(error).__name__, task)
            self._log.error(kind, "%s failed, error %s: %s", held, failure.id, text)
            self._fail(held, replace(failure, message=text))
            return True
        delay_s = _growing_s(unknown_s)
        self._log.warning(
            ("unknown", str(error)),
            "%s released for %.0f s: %s",
            held,
            delay_s,
            error,
        )
        self._release(held, delay_s, held.row.attempts)
        return False

    def dead_letter(self, held: Held, error: MessageError) -> None:
        """Dead-letter a message that no worker can run, and fail its task, if any.

        :raises LeaseLost: another run has the task by now.
        """
        kind = ("no message", held.delivery.queue, type(error).__name__)
        failure = Failure.of(error, traced=False)
        text = "%s does not run, error %s: %s"
        self._log.error(kind, text, held, failure.id, error)
        self._fail(held, failure)
        self._ended(held)

    def misplaced(self, pointed: Pointed, error: MessageError) -> None:
        """Dead-letter a copy that came by another queue; its task is not touched."""
        kind = ("misplaced", pointed.delivery.queue)
        self._log.error(kind, "a copy of %s does not run: %s", pointed, error)
        self._dead_letter(pointed, Failure.of(error, traced=False), None)

    def foreign(self, held: Held, error: MessageError) -> None:
        """Release a message of another database, for that database's own worker."""
        delivery = held.delivery
        self._log.warning(("foreign", delivery.queue), "%s released: %s", held, error)
        delay_s = min(_growing_s(_age_s(held.delivery)), _LONGEST_FOREIGN_DELAY_S)
        self._consumer.release(delivery, delay_s)

    # -- it has run before ---------------------------------------------------------

    def done_before(self, held: Held, outcome: Outcome | None) -> None:
        """Acknowledge a message whose task is done; reply to its owner once more.

        :param outcome: None if it is not kept any more.
        """
        if outcome is not None:
            self._reply(held, outcome)
        self._consumer.acknowledge([held.delivery])

    def failed_before(self, held: Held, failure: Failure, token: str) -> None:
        """Dead-letter a message whose task has failed; reply to its owner once more.

        :param token: token of the failure in the row.
        """
        self._reply(held, Outcome(failure=failure))
        # Maybe for the second time: two dead letters are better than none.
        self._dead_letter(held, failure, token)

    def drop(self, held: Held) -> None:
        """Acknowledge a message whose row is gone."""
        self._consumer.acknowledge([held.delivery])

    # -- parts ---------------------------------------------------------------------

    def _fail(
        self, held: Held, failure: Failure, failed: FailedAttempt | None = None
    ) -> None:
        message = held.message if isinstance(held, Job) else None
        failure = with_sentence(failure, message, self._runtime)
        outcome = Outcome(failure=failure)
        token = held.row.fail(outcome, self._runtime.settings.result_ttl, failed)
        self._reply(held, outcome)
        self._dead_letter(held, failure, token)

    def _emit(self, signal: NamedSignal, job: Job, **facts: Any) -> None:
        signals.emit(signal, self._runtime.database, message=job.message, **facts)

    def _cancelled(self, held: Held) -> None:
        """Acknowledge the message of a task whose row says that it is cancelled."""
        if logger.isEnabledFor(logging.INFO):
            told = facts(held, CANCELLED) if isinstance(held, Job) else None
            logger.info("%s was cancelled", held, extra=told)
        if self._runtime.rows is None:
            # Without rows, only the reply tells the owner.
            self._reply(held, Outcome(cancelled=True))
        self._consumer.acknowledge([held.delivery])
        if isinstance(held, Job):
            self._emit(signals.task_cancelled, held)
        self._ended(held)

    def _ended(self, held: Held) -> None:
        """Look at the batch of a task that has ended.

        Not while this process holds another member, whose end is looked at. Of a task
        that is not decoded here the batch is not known: the sweep looks.
        """
        if isinstance(held, Job) and not self._members.let_go(held):
            batch_end.look(self._runtime, held.message.batch)

    def _release(
        self,
        held: Held,
        in_s: float | None,
        attempts: int,
        failed: FailedAttempt | None = None,
    ) -> bool:
        """Let a task be claimed again, or cancel it if it was asked to stop.

        :param in_s: delay in seconds; None for at once, with its old due time.
        :param attempts: number of attempts that count from now on.
        :param failed: the attempt that has failed; None if none was started.
        :returns: False if it was cancelled.
        """
        longest_s = self._consumer.release_max_s(held.delivery)
        try:
            delay_s = held.row.release(in_s, attempts, longest_s, failed)
        except TaskCancelled:
            self._cancelled(held)
            return False
        if delay_s is None:
            self._consumer.acknowledge([held.delivery])
            return True
        if delay_s > longest_s:
            self._log.warning(
                "delay",
                "%s comes again in %.0f s, not in %.0f s: without an outbox, SQS hides "
                "a message for 12 hours at most. Set outbox = yes",
                held,
                longest_s,
                delay_s,
            )
        self._consumer.release(held.delivery, delay_s)
        return True

    def _reply(self, held: Held, outcome: Outcome) -> None:
        if held.reply_to is None:
            return
        try:
            self._runtime.results.put(held.reply_to, outcome)
        except TransportError as error:
            if error.passes:
                raise
            # Access denied, or too large: another delivery would not mend it, and
            # without a row it would run the task again. With a row the owner reads the
            # outcome from there.
            self._log.error(
                ("reply", type(error).__name__),
                "task %s: the reply was not sent%s: %s",
                held.reply_to,
                " and is lost" if self._runtime.rows is None else "; its row has it",
                error,
            )

    def _dead_letter(self, held: Held, failure: Failure, token: str | None) -> None:
        """Move a message to the dead letters.

        If that is refused, a failure in the row suffices; without one the message is
        released and comes again.

        :param token: token of the failure in the row; None if no row has it.
        :raises TransportUnavailable: not possible now; the message comes again.
        """
        try:
            self._consumer.dead_letter(held.delivery, failure.text, token)
            return
        except TransportError as error:
            if error.passes:
                raise
            refusal = error
        queue = held.delivery.queue
        if token is not None:
            self._log.error(
                ("dead letter", queue),
                "%s failed and is not among the dead letters of queue %s; it is in "
                "its row: %s",
                held,
                queue,
                refusal,
            )
            self._consumer.acknowledge([held.delivery])
            return
        delay_s = _growing_s(_unknown_for_s(held))
        self._log.error(
            ("kept", queue),
            "%s cannot be put among the dead letters of queue %s, and is kept: %s",
            held,
            queue,
            refusal,
        )
        self._consumer.release(held.delivery, delay_s)


def _growing_s(waited_s: float) -> float:
    """A delay in seconds that grows with the time a message has waited already."""
    return min(max(waited_s / 2, _FIRST_DELAY_S), _LONGEST_DELAY_S)


def _unknown_for_s(held: Held) -> float:
    """Seconds for which no worker could run it, by its row or its first receive."""
    unknown_s = held.row.unknown_for_s()
    return _age_s(held.delivery) if unknown_s is None else unknown_s


def _age_s(delivery: Delivery) -> float:
    """Seconds since the first receive by any worker."""
    first_s = delivery.first_received_s
    return 0.0 if first_s is None else max(0.0, time.time() - first_s)
