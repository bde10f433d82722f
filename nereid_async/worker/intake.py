"""Turns deliveries into jobs: claims their rows, decodes and checks the calls there.

The broker ``database`` delivers claimed rows. What comes by a queue is a pointer to a
row, and is verified before the claim.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

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
from ..queue_selection import is_ordered
from ..rows import Claim, Starts
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from . import message_checks
from .delivery_row import row_of
from .job import Held, Job, Pointed, Unread
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
        """Decode, claim and check what has been received.

        An error with one delivery leaves only that one unsettled; it comes again.

        :param at_once: whether a thread is free for each delivery.
        :returns: the jobs of this worker.
        :raises DatabaseUnavailable: nothing could be claimed; all of it comes again.
        """
        claimed = [it for it in deliveries if it.claim is not None]
        jobs: list[Job] = []
        pointed: list[Pointed] = []
        for delivery in deliveries:
            if delivery.claim is None:
                with self._apart(Unread(delivery, self._runtime)):
                    self._sort(delivery, pointed, jobs)
        claims = self._claims(pointed, at_once)
        for it in pointed:
            claim = claims.pop(it.pointer.id, None)
            if claim is not None:
                claimed.append(replace(it.delivery, claim=claim))
                continue
            with self._apart(it):
                self._not_claimed(it)
        for delivery in claimed:
            with self._apart(Unread(delivery, self._runtime)):
                jobs += self._jobs(delivery)
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

    def _sort(
        self, delivery: Delivery, pointed: list[Pointed], jobs: list[Job]
    ) -> None:
        """Decode and check what came by a queue; settle what cannot run.

        :param pointed: gets it if it points to a row.
        :param jobs: gets it if it runs without one.
        """
        unread = Unread(delivery, self._runtime)
        try:
            sent = self._runtime.codec.decode_sent(delivery.text)
            pointer = sent.pointer if isinstance(sent, Message) else sent
            this = Pointed(delivery, pointer)
            message_checks.check_sent(pointer, delivery, self._runtime)
            if isinstance(sent, Message):
                message_checks.check_bare(sent, self._runtime)
                jobs.append(Job(delivery, sent, row_of(delivery, self._runtime)))
                return
            if delivery.dead_letter is not None:
                self._unclaimed.moved_back(this)
            pointed.append(this)
        except ForeignMessage as error:
            self._settlement.foreign(unread, error)
        except MisplacedMessage as error:
            self._settlement.misplaced(this, error)
        except (UnknownFormat, WrongSignature) as error:
            self._unclaimed.unread(unread, error)
        except BadMessage as error:
            self._settlement.dead_letter(unread, error)

    def _jobs(self, delivery: Delivery) -> Iterator[Job]:
        """Decode and check the call in a claimed row; none if it cannot run."""
        claim, unread = delivery.claim, Unread(delivery, self._runtime)
        assert claim is not None
        try:
            message = self._runtime.codec.decode(claim.text)
            message_checks.check_claimed(message, claim, self._runtime)
            yield Job(delivery, message, unread.row)
        except (UnknownFormat, WrongSignature) as error:
            self._settlement.unknown(unread, error)
        except BadMessage as error:
            self._settlement.dead_letter(unread, error)

    def _claims(self, pointed: Sequence[Pointed], at_once: bool) -> dict[str, Claim]:
        """Claim the rows that messages point to, as far as they are free.

        :returns: the claims by task id.
        :raises Exception: nothing could be claimed; the messages were left.
        """
        rows = self._runtime.rows
        if rows is None or not pointed:
            return {}
        try:
            return rows.claim_ids(
                [it.pointer.id for it in pointed],
                self._runtime.settings.visibility_timeout,
                Starts(self._worker, at_once),
                ordered=any(is_ordered(it.pointer.queue) for it in pointed),
            )
        except Exception:
            for it in pointed:
                with self._apart(it):
                    self._settlement.leave(it)
            raise

    def _not_claimed(self, pointed: Pointed) -> None:
        rows = self._runtime.rows
        if rows is None:
            text = "has a row, and this worker is set to outbox = no"
            self._settlement.dead_letter(pointed, BadMessage(text))
        else:
            self._unclaimed.not_claimed(pointed, rows)
