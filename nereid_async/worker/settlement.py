"""What becomes of a delivery: the one place that ends it, or lets it come again.

What has run is settled for as long as an outage of the database lasts: as long as
nobody can run anything, nobody else takes the task over.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

from blinker import NamedSignal

from .. import signals
from ..brokers.base import Consumer, Delivery
from ..errors import MessageError, TransportError, WebAppNeeded
from ..messages.outcome import Failure, Outcome
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from . import outage
from .job import Held, Job, Unread
from .public_errors import with_sentence

logger = logging.getLogger(__name__)

_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 300.0
#: Its own worker waits for it.
_LONGEST_FOREIGN_DELAY_S = 30.0


class Settlement:
    """Settles what one consumer has received. Thread-safe."""

    def __init__(self, runtime: Runtime, consumer: Consumer) -> None:
        self._runtime = runtime
        self._consumer = consumer
        self._log = ThrottledLog(logger)

    # -- it has run ----------------------------------------------------------------

    def succeed(self, job: Job, outcome: Outcome) -> None:
        """Tell the owner of a task that is committed.

        :raises TransportError: not now; the message has to come again for it.
        """
        self._reply(job, outcome)
        self._consumer.acknowledge([job.delivery])
        self._emit(signals.task_succeeded, job, result=outcome.value)

    def retry(
        self, job: Job, delay_s: float, error: BaseException, *, counts: bool = True
    ) -> None:
        """Let a task run again in ``delay_s`` seconds.

        :param error: why.
        :param counts: whether the attempt counts.
        :raises LeaseLost: another run has it by now.
        """
        attempts = job.attempt if counts else job.row.attempts
        outage.outlast(job, lambda: self._release(job, delay_s, attempts))
        self._emit(signals.task_retried, job, delay_s=delay_s, error=error)

    def fail(self, job: Job, failure: Failure, error: BaseException | None) -> None:
        """Let a task fail for good: in its row, to its owner, to the dead letters.

        :param error: what the task has raised, if it has.
        :raises LeaseLost: another run has it by now.
        """
        outage.outlast(job, lambda: self._fail(job, failure))
        self._emit(signals.task_failed, job, error=error)

    # -- it has not run ------------------------------------------------------------

    def hand_back(self, held: Held) -> None:
        """Let another worker have at once what has not started here.

        :raises LeaseLost: another run has it by now.
        """
        self._release(held, None, held.row.attempts)

    def leave(self, held: Held, delay_s: float = _FIRST_DELAY_S) -> None:
        """Let what was not claimed come again in ``delay_s`` seconds."""
        self._consumer.release(held.delivery, delay_s)

    def unknown(self, held: Held, error: MessageError) -> None:
        """Keep what this worker cannot run, but a newer one may.

        With a growing delay, and without costing an attempt; after ``unknown_grace``
        seconds it has failed. A task that just needs the web app is kept for as long
        as it takes.

        :raises LeaseLost: another run has it by now.
        """
        if not isinstance(held, Job):
            self._unknown(held, error)
        elif outage.outlast(held, lambda: self._unknown(held, error)):
            self._emit(signals.task_failed, held, error=error)

    def _unknown(self, held: Held, error: MessageError) -> bool:
        """See :meth:`unknown`; whether it has failed."""
        unknown_s = _unknown_for_s(held)
        lasts = isinstance(error, WebAppNeeded)
        if unknown_s >= self._runtime.settings.unknown_grace and not lasts:
            failure = Failure.of(error, traced=False)
            text = f"{failure.message} (no worker knew it for {unknown_s:.0f} s)"
            # Of what is not read there may be as many as somebody likes.
            task = "" if isinstance(held, Unread) else str(held)
            kind = ("never known", type(error).__name__, task)
            self._log.error(kind, "%s failed, error %s: %s", held, failure.id, text)
            self._fail(held, replace(failure, message=text))
            return True
        delay_s = _growing_s(unknown_s)
        self._log.warning(
            ("unknown", str(error)),
            "%s given back for %.0f s: %s",
            held,
            delay_s,
            error,
        )
        self._release(held, delay_s, held.row.attempts)
        return False

    def dead_letter(self, held: Held, error: MessageError) -> None:
        """Put aside what is no message of ours, or cannot be run by any worker.

        :raises LeaseLost: another run has it by now.
        """
        kind = ("no message", held.delivery.queue, type(error).__name__)
        failure = Failure.of(error, traced=False)
        text = "%s does not run, error %s: %s"
        self._log.error(kind, text, held, failure.id, error)
        self._fail(held, failure)

    def misplaced(self, job: Job, error: MessageError) -> None:
        """Put aside a copy that came by another queue; its task is not touched."""
        kind = ("misplaced", job.delivery.queue)
        self._log.error(kind, "a copy of %s does not run: %s", job, error)
        self._dead_letter(job, Failure.of(error, traced=False), None)

    def foreign(self, held: Held, error: MessageError) -> None:
        """Give back what is another database's, to be taken by its own worker."""
        delivery = held.delivery
        self._log.warning(
            ("foreign", delivery.queue), "%s is given back: %s", held, error
        )
        delay_s = min(_growing_s(_age_s(held.delivery)), _LONGEST_FOREIGN_DELAY_S)
        self._consumer.release(delivery, delay_s)

    # -- it has run before ---------------------------------------------------------

    def done_before(self, held: Held, outcome: Outcome | None) -> None:
        """End a message whose task is done; tell its owner once more.

        :param outcome: None where it is not kept any more.
        """
        if outcome is not None:
            self._reply(held, outcome)
        self._consumer.acknowledge([held.delivery])

    def failed_before(self, held: Held, failure: Failure, token: str) -> None:
        """Put a message aside whose task has failed; tell its owner once more.

        :param token: that of the failure in the row.
        """
        self._reply(held, Outcome(failure=failure))
        # Maybe a second time: a dead letter too many is better than none.
        self._dead_letter(held, failure, token)

    def drop(self, held: Held) -> None:
        """End a message that means nothing any more."""
        self._consumer.acknowledge([held.delivery])

    # -- parts ---------------------------------------------------------------------

    def _fail(self, held: Held, failure: Failure) -> None:
        message = held.message if isinstance(held, Job) else None
        failure = with_sentence(failure, message, self._runtime)
        outcome = Outcome(failure=failure)
        token = held.row.fail(outcome, self._runtime.settings.result_ttl)
        self._reply(held, outcome)
        self._dead_letter(held, failure, token)

    def _emit(self, signal: NamedSignal, job: Job, **facts: Any) -> None:
        signals.emit(signal, self._runtime.database, message=job.message, **facts)

    def _release(self, held: Held, in_s: float | None, attempts: int) -> None:
        """Let it be taken again; ``attempts`` count from now on.

        :param in_s: None for at once, in its old place.
        """
        longest_s = self._consumer.release_max_s(held.delivery)
        delay_s = held.row.release(in_s, attempts, longest_s)
        if delay_s is None:
            self._consumer.acknowledge([held.delivery])
            return
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

    def _reply(self, held: Held, outcome: Outcome) -> None:
        if held.reply_to is None:
            return
        try:
            self._runtime.results.put(held.reply_to, outcome)
        except TransportError as error:
            if error.passes:
                raise
            # Denied, or it does not fit. Another delivery would not mend it, and
            # without a row would run the task again. With a row the owner is answered
            # from there.
            self._log.error(
                ("reply", type(error).__name__),
                "task %s: the reply was not sent%s: %s",
                held.reply_to,
                " and is lost" if self._runtime.rows is None else "; its row has it",
                error,
            )

    def _dead_letter(self, held: Held, failure: Failure, token: str | None) -> None:
        """Put it aside; where that cannot be done, its row tells, or it is kept.

        :param token: that of the failure in the row; None if it is in none.
        :raises TransportUnavailable: not now; it comes again.
        """
        try:
            self._consumer.dead_letter(held.delivery, failure.text, token)
            return
        except TransportError as error:
            if error.passes:
                raise
            unburied = error
        queue = held.delivery.queue
        if token is not None:
            self._log.error(
                ("dead letter", queue),
                "%s failed and is not among the dead letters of queue %s; it is in "
                "its row: %s",
                held,
                queue,
                unburied,
            )
            self._consumer.acknowledge([held.delivery])
            return
        delay_s = _growing_s(_unknown_for_s(held))
        self._log.error(
            ("kept", queue),
            "%s cannot be put among the dead letters of queue %s, and is kept: %s",
            held,
            queue,
            unburied,
        )
        self._consumer.release(held.delivery, delay_s)


def _growing_s(waited_s: float) -> float:
    """The longer a message has been waiting already, the longer it may wait."""
    return min(max(waited_s / 2, _FIRST_DELAY_S), _LONGEST_DELAY_S)


def _unknown_for_s(held: Held) -> float:
    """For how long no worker could run it, as its row or its receipts tell."""
    unknown_s = held.row.unknown_for_s()
    return _age_s(held.delivery) if unknown_s is None else unknown_s


def _age_s(delivery: Delivery) -> float:
    """How long ago it was first received, by whomever."""
    first_s = delivery.first_received_s
    return 0.0 if first_s is None else max(0.0, time.time() - first_s)
