"""The broker `sqs`: Amazon SQS carries the messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from ..circuit import Circuit
from ..errors import (
    LeaseLost,
    TransportError,
    TransportUnavailable,
)
from ..names import QueueNames
from ..settings import SQS_RETENTION_MAX_S, Settings
from ..sqs import (
    BATCH_MAX_BYTES,
    BATCH_MAX_ENTRIES,
    DELAY_MAX_S,
    LONG_POLL_MAX_S,
    VISIBILITY_MAX_S,
    Sqs,
)
from .base import Delivery, Parcel

logger = logging.getLogger(__name__)

#: Rows are kept longer than this, so no message outlives its row.
_QUEUE_ATTRIBUTES = {"MessageRetentionPeriod": str(SQS_RETENTION_MAX_S)}
#: A long poll answers after 20 s at the latest.
_RECEIVE_TIMEOUT_S = LONG_POLL_MAX_S + 10.0
_SEND_ROUNDS = 2


class SqsBroker:
    """Sends in batches. Thread-safe; survives a fork.

    :param database: the database's name, part of the queues' names.
    """

    max_delay_s: float | None = DELAY_MAX_S

    def __init__(self, database: str, settings: Settings) -> None:
        self._settings = settings
        self._names = QueueNames(database, settings)
        # One attempt with a short time-out: a request waits for it, and a row that
        # could not be sent is sent later. Without rows a second attempt is worth it.
        self._circuit = Circuit()
        self._sender = Sqs(settings, settings.send_timeout, 1 if settings.outbox else 3)

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
                name = self._names.task(queue)
                confirmed += _send_batch(self._sender, name, batch)
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
        return SqsConsumer(self._names, self._settings, queues)


def _batches(parcels: Sequence[Parcel]) -> Iterator[tuple[str, list[Parcel]]]:
    by_queue: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        by_queue.setdefault(parcel.queue, []).append(parcel)
    for queue, group in by_queue.items():
        batch: list[Parcel] = []
        size_bytes = 0
        for parcel in group:
            parcel_bytes = _size_bytes(parcel)
            full = len(batch) == BATCH_MAX_ENTRIES
            if batch and (full or size_bytes + parcel_bytes > BATCH_MAX_BYTES):
                yield queue, batch
                batch, size_bytes = [], 0
            batch.append(parcel)
            size_bytes += parcel_bytes
        yield queue, batch


def _size_bytes(parcel: Parcel) -> int:
    # Attributes count with their names, types and values.
    size = len(parcel.text)
    for name, attribute in (parcel.attributes or {}).items():
        size += len(name.encode())
        size += sum(
            len(v if isinstance(v, bytes) else str(v).encode())
            for v in attribute.values()
        )
    return size


def _send_batch(sqs: Sqs, name: str, parcels: list[Parcel]) -> list[str]:
    """Send one batch; what fails inside an answer of 200 is tried once more."""
    confirmed: list[str] = []
    waiting = {str(i): parcel for i, parcel in enumerate(parcels)}
    failed: list[dict[str, Any]] = []
    for _ in range(_SEND_ROUNDS):
        entries = [_entry(key, parcel) for key, parcel in waiting.items()]
        answer = sqs.call_queue(
            "send_message_batch", name, _QUEUE_ATTRIBUTES, Entries=entries
        )
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
        entry["DelaySeconds"] = int(parcel.delay_s)
    if parcel.attributes:
        entry["MessageAttributes"] = parcel.attributes
    return entry


def _delivery(queue: str, message: dict[str, Any]) -> Delivery:
    facts = message.get("Attributes", {})
    first_ms = facts.get("ApproximateFirstReceiveTimestamp")
    return Delivery(
        text=message["Body"],
        receipt=message["ReceiptHandle"],
        queue=queue,
        receive_count=int(facts.get("ApproximateReceiveCount", 1)),
        first_received_s=None if first_ms is None else int(first_ms) / 1_000,
    )


def _by_queue(deliveries: Sequence[Delivery]) -> dict[str, list[Delivery]]:
    by_queue: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        by_queue.setdefault(delivery.queue, []).append(delivery)
    return by_queue


class SqsConsumer:
    """Receives from a few queues in turn; one poller's, its methods thread-safe."""

    def __init__(
        self, names: QueueNames, settings: Settings, queues: Sequence[str]
    ) -> None:
        self._names = names
        self._queues = list(queues)
        self._visibility_s = settings.visibility_timeout
        self._wait_s = settings.sqs_wait_time
        self._sqs = Sqs(settings, _RECEIVE_TIMEOUT_S, attempts=3)
        self._next = 0

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Receive from the next queue; a long poll if there is one only."""
        wait_s = min(wait_s, self._wait_s) / len(self._queues)
        for _ in self._queues:
            queue = self._queues[self._next]
            self._next = (self._next + 1) % len(self._queues)
            deliveries = self._receive(queue, limit, wait_s)
            if deliveries:
                return deliveries
        return []

    def _receive(self, queue: str, limit: int, wait_s: float) -> list[Delivery]:
        answer = self._sqs.call_queue(
            "receive_message",
            self._names.task(queue),
            _QUEUE_ATTRIBUTES,
            MaxNumberOfMessages=min(limit, BATCH_MAX_ENTRIES),
            WaitTimeSeconds=int(wait_s),
            VisibilityTimeout=self._visibility_s,
            AttributeNames=[
                "ApproximateReceiveCount",
                "ApproximateFirstReceiveTimestamp",
            ],
        )
        return [_delivery(queue, m) for m in answer.get("Messages", [])]

    def _task_url(self, queue: str) -> str:
        return self._sqs.url(self._names.task(queue))

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages, ten a call; a receipt that is too old is logged only."""
        for queue, group in _by_queue(deliveries).items():
            for start in range(0, len(group), BATCH_MAX_ENTRIES):
                self._delete(queue, group[start : start + BATCH_MAX_ENTRIES])

    def _delete(self, queue: str, deliveries: Sequence[Delivery]) -> None:
        answer = self._sqs.call(
            "delete_message_batch",
            QueueUrl=self._task_url(queue),
            Entries=[
                {"Id": str(i), "ReceiptHandle": delivery.receipt}
                for i, delivery in enumerate(deliveries)
            ],
        )
        for entry in answer.get("Failed", []):
            logger.warning(
                "SQS did not delete a message of %s (%s); it comes again and is "
                "dropped then",
                queue,
                entry.get("Code"),
            )

    def hide(self, delivery: Delivery, delay_s: float) -> None:
        """Change the message's visibility in place: its receive count stays true."""
        try:
            self._sqs.call(
                "change_message_visibility",
                QueueUrl=self._task_url(delivery.queue),
                ReceiptHandle=delivery.receipt,
                VisibilityTimeout=min(int(delay_s), VISIBILITY_MAX_S),
            )
        except LeaseLost as error:
            # It is visible already, or another worker has it.
            logger.info("message of %s not hidden: %s", delivery.queue, error)

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Copy the message to the dead-letter queue, then delete it."""
        self._sqs.call_queue(
            "send_message",
            self._names.dead(delivery.queue),
            _QUEUE_ATTRIBUTES,
            MessageBody=delivery.text,
            MessageAttributes={
                "reason": {"DataType": "String", "StringValue": reason[:200]}
            },
        )
        self.acknowledge([delivery])

    def extend(self, deliveries: Sequence[Delivery], timeout_s: int) -> None:
        """Change the visibility of messages, ten a call."""
        for queue, group in _by_queue(deliveries).items():
            for start in range(0, len(group), BATCH_MAX_ENTRIES):
                answer = self._sqs.call(
                    "change_message_visibility_batch",
                    QueueUrl=self._task_url(queue),
                    Entries=[
                        {
                            "Id": str(i),
                            "ReceiptHandle": delivery.receipt,
                            "VisibilityTimeout": timeout_s,
                        }
                        for i, delivery in enumerate(
                            group[start : start + BATCH_MAX_ENTRIES]
                        )
                    ],
                )
                for entry in answer.get("Failed", []):
                    logger.warning(
                        "SQS did not hold a message of %s any longer (%s)",
                        queue,
                        entry.get("Code"),
                    )

    def wake(self) -> None:
        """Nothing: a long poll that is given up may strand what it receives."""

    def close(self) -> None:
        """Nothing to do: boto3 closes its connections with the client."""
