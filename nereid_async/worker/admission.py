"""From what a broker hands out to jobs: read, check, claim."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from ..brokers.base import Consumer, Delivery
from ..errors import BadMessage, LeaseLost, MessageError, UnknownFormat
from ..message import Message
from ..results.base import Failure
from ..rows import Claim, Starts, TaskRows
from ..runtime import Runtime
from . import giving_back
from .job import Job
from .replies import reply

logger = logging.getLogger(__name__)

#: Of a task that may be tried so often, one attempt may go by unused.
_ATTEMPTS_TO_SPARE = 3


def admit(
    deliveries: Sequence[Delivery],
    runtime: Runtime,
    consumer: Consumer,
    worker: str,
    *,
    at_once: bool,
) -> list[Job]:
    """Turn deliveries into jobs; see to those that are none.

    What cannot be read or is wrongly signed is put aside at once, and never runs.

    :param worker: how rows name this worker.
    :param at_once: whether a thread is free for each of them.
    """
    readable = []
    for delivery in deliveries:
        try:
            readable.append((delivery, _read(delivery, runtime)))
        except UnknownFormat as error:
            _put_back(delivery, error, runtime, consumer)
        except BadMessage as error:
            _quarantine(delivery, error, runtime, consumer)
    unclaimed = [message for delivery, message in readable if delivery.claim is None]
    claims = _claims(unclaimed, runtime, worker, at_once)
    return _jobs(readable, claims, runtime, consumer)


def _read(delivery: Delivery, runtime: Runtime) -> Message:
    message = runtime.codec.decode(delivery.text)
    if message.database != runtime.database:
        raise BadMessage(f"is for database {message.database!r}")
    if delivery.claim is not None and delivery.claim.id != message.id:
        raise BadMessage(f"stands in the row of task {delivery.claim.id}")
    return message


def _claims(
    messages: Sequence[Message], runtime: Runtime, worker: str, at_once: bool
) -> dict[str, Claim]:
    """Claim the rows of messages; those that have one, and that can be claimed.

    A claim saves the mark of the start, where an attempt that a kill takes from what
    has not begun can be spared: a task loses one that way at most, as what has been
    claimed before is marked when it begins.
    """
    rows, lease_s = runtime.rows, runtime.settings.visibility_timeout
    waiting = [message for message in messages if message.outbox]
    if rows is None or not waiting:
        return {}
    if at_once:
        return rows.claim_ids(_ids(waiting), lease_s, Starts(worker, again=True))
    claims = {}
    spares = [it for it in waiting if it.max_attempts >= _ATTEMPTS_TO_SPARE]
    if spares:
        claims = rows.claim_ids(_ids(spares), lease_s, Starts(worker))
    rest = [it for it in waiting if it.max_attempts < _ATTEMPTS_TO_SPARE]
    if rest:
        claims |= rows.claim_ids(_ids(rest), lease_s)
    return claims


def _ids(messages: Sequence[Message]) -> list[str]:
    return [message.id for message in messages]


def _jobs(
    readable: Sequence[tuple[Delivery, Message]],
    claims: dict[str, Claim],
    runtime: Runtime,
    consumer: Consumer,
) -> list[Job]:
    rows = runtime.rows
    jobs = []
    for delivery, message in readable:
        claim = delivery.claim or claims.pop(message.id, None)
        if claim is not None or not message.outbox:
            jobs.append(Job(delivery, message, claim))
        elif rows is None:
            _quarantine(
                delivery,
                BadMessage("has a row, and this worker is set to outbox = no"),
                runtime,
                consumer,
            )
        else:
            _settle(delivery, message, rows, runtime, consumer)
    return jobs


def _settle(
    delivery: Delivery,
    message: Message,
    rows: TaskRows,
    runtime: Runtime,
    consumer: Consumer,
) -> None:
    """See to a message whose row cannot be claimed."""
    status = rows.status(message.id)
    if status is None:
        logger.error("task %s has no row any more: not run", message.id)
        consumer.acknowledge([delivery])
    elif status.state.finished:
        # Delivered twice, or the worker died before it could acknowledge.
        if message.keep_result and status.outcome is not None:
            reply(runtime, message.id, status.outcome)
        failure = status.outcome.failure if status.outcome is not None else None
        if failure is not None:
            # Maybe a second time: a dead letter too many is better than none.
            consumer.bury(delivery, failure.text)
        else:
            consumer.acknowledge([delivery])
    else:
        # Another worker has it; should that one die, the message is there again.
        consumer.hide(delivery, message.visibility_timeout_s)


def _put_back(
    delivery: Delivery, error: MessageError, runtime: Runtime, consumer: Consumer
) -> None:
    """Give back a message of a newer format, or quarantine it after the grace."""
    claim = delivery.claim
    unknown_s = giving_back.unknown_for_s(delivery, claim, runtime)
    if unknown_s > runtime.settings.unknown_grace:
        _quarantine(delivery, error, runtime, consumer)
        return
    delay_s = giving_back.growing_delay_s(unknown_s)
    logger.warning("a message is given back for %.0f s: %s", delay_s, error)
    attempts = 0 if claim is None else claim.attempt
    giving_back.release(delivery, claim, delay_s, attempts, runtime, consumer)


def _quarantine(
    delivery: Delivery, error: MessageError, runtime: Runtime, consumer: Consumer
) -> None:
    claim = delivery.claim
    logger.error(
        "message of %d bytes in queue %s%s does not run: %s",
        len(delivery.text),
        delivery.queue,
        "" if claim is None else f" (task {claim.id})",
        error,
    )
    failure = Failure(type(error).__name__, str(error))
    with suppress(LeaseLost):
        giving_back.put_aside(delivery, claim, failure, failure.text, runtime, consumer)
