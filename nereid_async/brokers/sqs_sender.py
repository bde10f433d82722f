"""Sends to Amazon SQS in batches; a bad message does not affect the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import (
    ConfigurationError,
    NereidAsyncError,
    QueueMissing,
    QueueUnavailable,
    RequestRefused,
    TransportError,
)
from ..limits import (
    SQS_BATCH_MAX_ENTRIES,
    SQS_DELAY_MAX_S,
    SQS_MESSAGE_MAX_BYTES,
)
from ..messages.attributes import size_bytes as attributes_bytes
from ..queue_selection import is_ordered
from ..sqs import message_group
from ..sqs.circuit_breaker import CircuitBreakers
from ..sqs.client import whole_seconds
from ..sqs.task_queues import TaskQueues
from .base import OutgoingMessage, SendReport

#: Messages that fail in an answer of status 200 are sent once more.
_ROUNDS = 2


class SqsSender:
    """Sends in batches. Thread-safe; survives a fork.

    :param insists: whether to try each batch in spite of earlier failures: without
        rows, messages that are not sent are lost.
    """

    def __init__(self, queues: TaskQueues, *, insists: bool) -> None:
        self._queues = queues
        self._insists = insists
        self._breakers = CircuitBreakers()

    def send(
        self, messages: Sequence[OutgoingMessage], until_s: float = float("inf")
    ) -> SendReport:
        """Send in as few calls as SQS allows; see :class:`.base.Broker`.

        After a failure of the service, no further batch is tried; after one of a queue,
        no further batch of that queue.
        """
        report = SendReport()
        failures: list[tuple[str, TransportError]] = []
        for queue, batch in _batches(messages):
            if time.monotonic() > until_s:
                report.untried += batch
                continue
            error = None if self._insists else self._objection(queue, failures)
            if error is None:
                error = self._try(queue, batch, report)
            if error is not None:
                failures.append((queue, error))
                report.refuse(batch, error)
        return report

    def _objection(
        self, queue: str, failures: Sequence[tuple[str, TransportError]]
    ) -> TransportError | None:
        for failed, error in failures:
            if error.of_service or failed == queue:
                return error
        return self._breakers.objection(queue)

    def _try(
        self, queue: str, batch: Sequence[OutgoingMessage], report: SendReport
    ) -> TransportError | None:
        """Send a batch; return the error if none of it was sent. It is not reported."""
        try:
            self._send(queue, batch, report)
        except TransportError as error:
            self._breakers.failed(queue, error)
            return error
        self._breakers.succeeded(queue)
        return None

    def _send(
        self, queue: str, batch: Sequence[OutgoingMessage], report: SendReport
    ) -> None:
        """Send a batch, and report the outcome of each message.

        :raises TransportError: queue or service have failed: none was sent.
        """
        waiting = {str(i): message for i, message in enumerate(batch)}
        failed: dict[str, dict[str, Any]] = {}
        for _ in range(_ROUNDS):
            try:
                answer = self._call(queue, waiting)
            except RequestRefused as error:
                self._send_singly(queue, list(waiting.values()), error, report)
                return
            for entry in answer.get("Successful", []):
                report.confirmed.append(waiting.pop(entry["Id"]).id)
            failed = {entry["Id"]: entry for entry in answer.get("Failed", [])}
            if all(entry.get("SenderFault") for entry in failed.values()):
                break
        for key, message in waiting.items():
            report.refuse([message], _refusal(message, failed.get(key, {})))

    def _send_singly(
        self,
        queue: str,
        batch: Sequence[OutgoingMessage],
        error: RequestRefused,
        report: SendReport,
    ) -> None:
        """Send the messages of a refused batch one by one, since one of them is bad."""
        if len(batch) == 1:
            report.refuse(batch, error)
            return
        for number, message in enumerate(batch):
            try:
                self._send(queue, [message], report)
            except TransportError as other:
                report.refuse(batch[number:], other)
                return

    def _call(self, queue: str, messages: dict[str, OutgoingMessage]) -> dict[str, Any]:
        entries = [_entry(key, message) for key, message in messages.items()]
        try:
            return self._queues.call("send_message_batch", queue, Entries=entries)
        except ConfigurationError as error:
            # The queue's name is not valid in SQS.
            raise QueueMissing(str(error)) from error
        except NereidAsyncError:
            raise
        except Exception as error:
            # boto3 cannot encode one of the messages.
            raise RequestRefused(f"{type(error).__name__}: {error}") from error


def _batches(
    messages: Sequence[OutgoingMessage],
) -> Iterator[tuple[str, list[OutgoingMessage]]]:
    by_queue: dict[str, list[OutgoingMessage]] = {}
    for message in messages:
        by_queue.setdefault(message.queue, []).append(message)
    for queue, group in by_queue.items():
        batch: list[OutgoingMessage] = []
        size_bytes = 0
        for message in group:
            message_bytes = len(message.text) + attributes_bytes(message.attributes)
            full = len(batch) == SQS_BATCH_MAX_ENTRIES
            if batch and (full or size_bytes + message_bytes > SQS_MESSAGE_MAX_BYTES):
                yield queue, batch
                batch, size_bytes = [], 0
            batch.append(message)
            size_bytes += message_bytes
        yield queue, batch


def _entry(key: str, message: OutgoingMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": key, "MessageBody": message.text}
    entry |= message_group.grouped(message.group)
    if is_ordered(message.queue):
        entry["MessageDeduplicationId"] = message_group.deduplication_id(
            message.id, again=message.again
        )
    elif message.delay_s:
        entry["DelaySeconds"] = whole_seconds(message.delay_s, SQS_DELAY_MAX_S)
    if message.attributes:
        entry["MessageAttributes"] = message.attributes
    return entry


def _refusal(message: OutgoingMessage, entry: dict[str, Any]) -> TransportError:
    """The error of one message in an answer of status 200."""
    text = f"SQS did not take the message: {entry.get('Code', 'it does not say why')}"
    if entry.get("Message"):
        text += f": {entry['Message']}"
    if entry.get("SenderFault"):
        return RequestRefused(f"{text} ({len(message.text)} bytes)")
    return QueueUnavailable(text)
