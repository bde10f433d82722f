"""Turns deliveries into jobs: decodes, checks and claims them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..brokers.base import Delivery
from ..errors import (
    BadMessage,
    ForeignMessage,
    LeaseLost,
    MisplacedMessage,
    NereidAsyncError,
    UnknownFormat,
    WrongSignature,
)
from ..messages.message import Message
from ..rows import Claim, Starts
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from . import message_checks
from .delivery_row import claimed_row
from .job import ATTEMPTS_TO_SPARE, Held, Job, Unread
from .settlement import Settlement
from .unclaimed import Unclaimed

logger = logging.getLogger(__name__)


class Intake:
    """Turns deliveries into jobs, and settles those that cannot run. Thread-safe.

    A message that cannot be decoded never runs. It goes to the dead letters: at once,
    or after ``unknown_grace`` if another worker may have its key or know its format.

    :param worker: name of this worker, for rows.
    """

    def __init__(self, runtime: Runtime, settlement: Settlement, worker: str) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._unclaimed = Unclaimed(runtime, settlement)
        self._worker = worker
        self._log = ThrottledLog(logger)

    def admit(self, deliveries: Sequence[Delivery], *, at_once: bool) -> list[Job]:
        """Decode, check and claim what has been received.

        An error with one delivery leaves only that one unsettled; it comes again.

        :param at_once: whether a thread is free for each delivery.
        :returns: the jobs of this worker.
        :raises DatabaseUnavailable: nothing could be claimed; all of it comes again.
        """
        readable = []
        for delivery in deliveries:
            with self._apart(self._unread(delivery)):
                message = self._read(delivery)
                if message is not None:
                    readable.append((delivery, message))
        unclaimed = [it for delivery, it in readable if delivery.claim is None]
        claims, failure = self._claims(unclaimed, at_once)
        jobs = []
        for delivery, message in readable:
            claim = delivery.claim or claims.pop(message.id, None)
            job = self._job(delivery, message, claim)
            if job.claim is not None or not message.outbox:
                jobs.append(job)
                continue
            with self._apart(job):
                if failure is None:
                    self._not_claimed(job)
                else:
                    self._settlement.leave(job)
        if failure is not None:
            if not jobs:
                raise failure
            logger.warning("some tasks were not claimed: %s", failure)
        return jobs

    @contextmanager
    def _apart(self, held: Held) -> Iterator[None]:
        """Log an error with one delivery, so that the others are not affected."""
        try:
            yield
        except LeaseLost as error:
            # The worker that has it now settles it.
            logger.info("%s: %s", held, error)
        except NereidAsyncError as error:
            self._log.warning(type(error).__name__, "%s comes again: %s", held, error)
        except Exception:
            logger.exception("%s comes again: the worker failed", held)

    def _read(self, delivery: Delivery) -> Message | None:
        """Decode and check a message; None if it cannot run, and was settled."""
        try:
            message = self._runtime.codec.decode(delivery.text)
            message_checks.check(message, delivery, self._runtime)
            if delivery.dead_letter is not None:
                self._unclaimed.moved_back(self._job(delivery, message, None))
            return message
        except ForeignMessage as error:
            self._settlement.foreign(self._unread(delivery), error)
        except MisplacedMessage as error:
            self._settlement.misplaced(self._job(delivery, message, None), error)
        except (UnknownFormat, WrongSignature) as error:
            self._unclaimed.unread(self._unread(delivery), error)
        except BadMessage as error:
            self._settlement.dead_letter(self._unread(delivery), error)
        return None

    def _claims(
        self, messages: Sequence[Message], at_once: bool
    ) -> tuple[dict[str, Claim], Exception | None]:
        """Claim the rows of messages, as far as they have one and are free.

        :returns: the claims by task id, which hold even if a later statement fails; and
            the error of that statement, if one failed.
        """
        claims: dict[str, Claim] = {}
        failure: Exception | None = None
        rows, lease_s = self._runtime.rows, self._runtime.settings.visibility_timeout
        if rows is None:
            return claims, failure
        waiting = [message for message in messages if message.outbox]
        for group, starts in self._groups(waiting, at_once):
            try:
                claims |= rows.claim_ids([it.id for it in group], lease_s, starts)
            except Exception as error:
                failure = error
        return claims, failure

    def _groups(
        self, messages: Sequence[Message], at_once: bool
    ) -> Iterator[tuple[Sequence[Message], Starts | None]]:
        """Group messages by whether their claim counts the attempt.

        Counting the attempt in the claim saves one UPDATE per task. Its cost: a worker
        killed before the task starts uses up one attempt; accepted at most once per
        task, and only if max_attempts >= ATTEMPTS_TO_SPARE, or if the task starts at
        once.
        """
        spares = [it for it in messages if it.max_attempts >= ATTEMPTS_TO_SPARE]
        rest = [it for it in messages if it.max_attempts < ATTEMPTS_TO_SPARE]
        if at_once:
            spares, rest = [*messages], []
        if spares:
            yield spares, Starts(self._worker, again=at_once)
        if rest:
            yield rest, None

    def _job(self, delivery: Delivery, message: Message, claim: Claim | None) -> Job:
        return Job(delivery, message, claimed_row(delivery, claim, self._runtime))

    def _unread(self, delivery: Delivery) -> Unread:
        return Unread(delivery, self._runtime)

    def _not_claimed(self, job: Job) -> None:
        rows = self._runtime.rows
        if rows is None:
            text = "has a row, and this worker is set to outbox = no"
            self._settlement.dead_letter(self._unread(job.delivery), BadMessage(text))
        else:
            self._unclaimed.not_claimed(job, rows)
