"""From what a broker hands out to jobs: read, check, claim."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ..brokers.base import Delivery
from ..errors import BadMessage, LeaseLost, MessageError, UnknownFormat
from ..message import Message
from ..rows import Claim, Starts
from ..runtime import Runtime
from .job import Held, Job, Unread
from .settlement import Settlement

#: Of a task that may be tried so often, one attempt may go by unused.
_ATTEMPTS_TO_SPARE = 3


class Admission:
    """Turns deliveries into jobs, and sees to those that are none. Thread-safe.

    What cannot be read or is wrongly signed is put aside at once, and never runs.

    :param worker: how rows name this worker.
    """

    def __init__(self, runtime: Runtime, settlement: Settlement, worker: str) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._worker = worker

    def admit(self, deliveries: Sequence[Delivery], *, at_once: bool) -> list[Job]:
        """Read and claim what has been received.

        :param at_once: whether a thread is free for each of them.
        """
        readable = []
        for delivery in deliveries:
            try:
                readable.append((delivery, self._read(delivery)))
            except UnknownFormat as error:
                self._settlement.unknown(Unread(delivery), error)
            except BadMessage as error:
                self._dead_letter(Unread(delivery), error)
        unclaimed = [message for delivery, message in readable if not delivery.claim]
        claims = self._claims(unclaimed, at_once)
        jobs = []
        for delivery, message in readable:
            claim = delivery.claim or claims.pop(message.id, None)
            job = Job(delivery, message, claim)
            if claim is not None or not message.outbox:
                jobs.append(job)
            else:
                self._not_claimed(job)
        return jobs

    def _read(self, delivery: Delivery) -> Message:
        message = self._runtime.codec.decode(delivery.text)
        if message.database != self._runtime.database:
            raise BadMessage(f"is for database {message.database!r}")
        if delivery.claim is not None and delivery.claim.id != message.id:
            raise BadMessage(f"stands in the row of task {delivery.claim.id}")
        return message

    def _claims(self, messages: Sequence[Message], at_once: bool) -> dict[str, Claim]:
        """Claim the rows of messages; those that have one, and that can be claimed.

        A claim saves the mark of the start, where an attempt that a kill takes from
        what has not begun can be spared: a task loses one that way at most, as what
        has been claimed before is marked when it begins.
        """
        rows = self._runtime.rows
        waiting = [message for message in messages if message.outbox]
        if rows is None or not waiting:
            return {}
        lease_s = self._runtime.settings.visibility_timeout
        if at_once:
            starts = Starts(self._worker, again=True)
            return rows.claim_ids(_ids(waiting), lease_s, starts)
        claims = {}
        spares = [it for it in waiting if it.max_attempts >= _ATTEMPTS_TO_SPARE]
        if spares:
            claims = rows.claim_ids(_ids(spares), lease_s, Starts(self._worker))
        rest = [it for it in waiting if it.max_attempts < _ATTEMPTS_TO_SPARE]
        if rest:
            claims |= rows.claim_ids(_ids(rest), lease_s)
        return claims

    def _not_claimed(self, job: Job) -> None:
        rows = self._runtime.rows
        if rows is None:
            text = "has a row, and this worker is set to outbox = no"
            self._dead_letter(Unread(job.delivery), BadMessage(text))
        else:
            self._settlement.not_claimed(job, rows)

    def _dead_letter(self, held: Held, error: MessageError) -> None:
        with suppress(LeaseLost):
            self._settlement.dead_letter(held, error)


def _ids(messages: Sequence[Message]) -> list[str]:
    return [message.id for message in messages]
