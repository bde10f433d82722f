"""The broker `sqs`: Amazon SQS carries the messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..attributes import size_bytes as attributes_bytes
from ..circuit import Circuit
from ..errors import (
    AccessDenied,
    QueueMissing,
    TransportError,
    TransportUnavailable,
)
from ..limits import QUEUE_DELAY_MAX_S
from ..names import QueueNames
from ..settings import Settings
from ..sqs import BATCH_MAX_BYTES, BATCH_MAX_ENTRIES, Sqs, whole_seconds
from .base import Parcel
from .sqs_consumer import RECEIVE_TIMEOUT_S, SqsConsumer
from .sqs_queues import TaskQueues

logger = logging.getLogger(__name__)

_SEND_ROUNDS = 2


class SqsBroker:
    """Sends in batches. Thread-safe; survives a fork.

    :param database: the database's name, part of the queues' names.
    """

    max_delay_s: float | None = QUEUE_DELAY_MAX_S

    def __init__(self, database: str, settings: Settings) -> None:
        self._settings = settings
        self._names = QueueNames(database, settings)
        # One attempt with a short time-out: a request waits for it, and a row that
        # could not be sent is sent later. Without rows a second attempt is worth it.
        self._circuit = Circuit()
        sqs = Sqs(settings, settings.send_timeout, 1 if settings.outbox else 3)
        self._queues = TaskQueues(self._names, settings, sqs)
        self._receiving = Sqs(settings, RECEIVE_TIMEOUT_S, attempts=3)

    def send(self, parcels: Sequence[Parcel]) -> list[str]:
        """Send in as few calls as SQS allows; see :class:`..base.Broker`."""
        confirmed: list[str] = []
        failure: TransportError | None = None
        if self._settings.outbox and not self._circuit.lets_through():
            raise TransportUnavailable(
                "SQS did not answer lately; it is asked again in some seconds"
            )
        for queue, batch in _batches(parcels):
            try:
                confirmed += _send_batch(self._queues, queue, batch)
                self._circuit.succeeded()
            except TransportError as error:
                self._circuit.failed()
                failure = error
                logger.warning("%d message(s) not sent: %s", len(batch), error)
        if failure is not None and not confirmed:
            raise failure
        return confirmed

    def consumer(self, queues: Sequence[str]) -> SqsConsumer:
        """Start to receive; creates the queues that are missing."""
        return SqsConsumer(self._names, self._settings, queues, self._receiving)

    def prepare(self, queues: Sequence[str]) -> None:
        """Find the queues, with a client that consumers share as it is then."""
        task_queues = TaskQueues(self._names, self._settings, self._receiving)
        for queue in queues:
            # What cannot be had is told by the consumers, again and again.
            with suppress(QueueMissing, AccessDenied):
                task_queues.find_or_make(queue)
        self._receiving.hang_up()

    def warnings(self, queues: Sequence[str]) -> list[str]:
        """Redrive policies that would take messages from their workers."""
        # With a client of its own: what a process has used it cannot hand on.
        sqs = Sqs(self._settings, self._settings.send_timeout, attempts=1)
        asked = TaskQueues(self._names, self._settings, sqs)
        return [text for queue in queues for text in asked.warnings(queue)]


def _batches(parcels: Sequence[Parcel]) -> Iterator[tuple[str, list[Parcel]]]:
    by_queue: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        by_queue.setdefault(parcel.queue, []).append(parcel)
    for queue, group in by_queue.items():
        batch: list[Parcel] = []
        size_bytes = 0
        for parcel in group:
            parcel_bytes = len(parcel.text) + attributes_bytes(parcel.attributes)
            full = len(batch) == BATCH_MAX_ENTRIES
            if batch and (full or size_bytes + parcel_bytes > BATCH_MAX_BYTES):
                yield queue, batch
                batch, size_bytes = [], 0
            batch.append(parcel)
            size_bytes += parcel_bytes
        yield queue, batch


def _send_batch(queues: TaskQueues, queue: str, parcels: list[Parcel]) -> list[str]:
    """Send one batch; what fails inside an answer of 200 is tried once more."""
    confirmed: list[str] = []
    waiting = {str(i): parcel for i, parcel in enumerate(parcels)}
    failed: list[dict[str, Any]] = []
    for _ in range(_SEND_ROUNDS):
        entries = [_entry(key, parcel) for key, parcel in waiting.items()]
        answer = queues.call("send_message_batch", queue, Entries=entries)
        for entry in answer.get("Successful", []):
            confirmed.append(waiting.pop(entry["Id"]).id)
        failed = answer.get("Failed", [])
        if not waiting or all(entry.get("SenderFault") for entry in failed):
            break
    for entry in failed:
        parcel = waiting.get(entry["Id"])
        if parcel is not None:
            logger.error(
                "SQS refuses message %s of %d bytes: %s %s",
                parcel.id,
                len(parcel.text),
                entry.get("Code"),
                entry.get("Message", ""),
            )
    if waiting and not confirmed:
        raise TransportError(f"SQS took none of {len(waiting)} message(s)")
    return confirmed


def _entry(key: str, parcel: Parcel) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": key, "MessageBody": parcel.text}
    if parcel.delay_s:
        entry["DelaySeconds"] = whole_seconds(parcel.delay_s, QUEUE_DELAY_MAX_S)
    if parcel.attributes:
        entry["MessageAttributes"] = parcel.attributes
    return entry
