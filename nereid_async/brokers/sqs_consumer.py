"""Settles messages of Amazon SQS: deletes, releases, dead-letters and extends them."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence

from ..batcher import Batcher
from ..errors import LeaseLost, TransportError
from ..limits import (
    SQS_BATCH_MAX_ENTRIES,
    SQS_MESSAGE_MAX_BYTES,
    SQS_VISIBILITY_MAX_S,
)
from ..messages.attributes import size_bytes as attributes_bytes
from ..messages.attributes import text_attribute
from ..queue_selection import ALL_QUEUES, is_ordered
from ..settings import Settings
from ..sqs import message_group
from ..sqs.client import whole_seconds
from ..sqs.task_queues import TaskQueues
from ..throttled_log import ThrottledLog
from .base import Delivery
from .paused_queues import PausedQueues
from .sqs_receiver import DEAD_LETTER, RECEIVE_TIMEOUT_S, SqsReceiver

logger = logging.getLogger(__name__)
#: For warnings that are logged once per message.
_once = ThrottledLog(logger, interval_s=SQS_VISIBILITY_MAX_S)

#: How long acknowledgements are collected into one call.
_DELETE_PAUSE_S = 0.2
#: Length of the reason in a dead letter; the row and the log have all of it.
_REASON_MAX_BYTES = 1_000
_NO_ROW = "-"


def _left_s(delivery: Delivery) -> int:
    """Seconds for which a message can still be hidden, of 12 hours from its receive.

    The receive may be earlier than noted here by the longest time that a call takes.
    """
    held_s = time.monotonic() - delivery.received_at_s
    return max(0, int(SQS_VISIBILITY_MAX_S - RECEIVE_TIMEOUT_S - held_s))


def _facts(
    delivery: Delivery, reason: str, token: str | None
) -> dict[str, dict[str, str]]:
    """The message attributes of a dead letter, as far as they fit beside its text."""
    room_bytes = SQS_MESSAGE_MAX_BYTES - len(delivery.text.encode())
    facts: dict[str, dict[str, str]] = {}
    # One that was moved back and not believed stays what it was.
    token = token or delivery.dead_letter or _NO_ROW
    for name, text in ((DEAD_LETTER, token), ("reason", reason)):
        more = {**facts, name: text_attribute(text, _REASON_MAX_BYTES)}
        if attributes_bytes(more) <= room_bytes:
            facts = more
    return facts


def _batches(deliveries: Sequence[Delivery]) -> Iterator[tuple[str, list[Delivery]]]:
    """Batches of deliveries for one call each, with their queue."""
    by_queue: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        by_queue.setdefault(delivery.queue, []).append(delivery)
    for queue, group in by_queue.items():
        for start in range(0, len(group), SQS_BATCH_MAX_ENTRIES):
            yield queue, group[start : start + SQS_BATCH_MAX_ENTRIES]


class SqsConsumer:
    """Settles the messages of a few queues. Thread-safe."""

    polls_are_billed = True

    def __init__(
        self,
        task_queues: TaskQueues,
        settings: Settings,
        queues: Sequence[str],
        excluded: Collection[str],
        paused: PausedQueues,
    ) -> None:
        self._queues = task_queues
        self._log = ThrottledLog(logger)
        self._settings = settings
        self._paused = paused
        self._excluded = excluded
        self.finds_receivers = ALL_QUEUES in queues
        self._named = [self._receiver(it) for it in queues if it != ALL_QUEUES]
        self.receivers = list(self._named)
        self._acknowledged = Batcher(
            "acknowledgements",
            self._delete,
            _DELETE_PAUSE_S,
            # Without rows at once: a message that comes again would run again.
            SQS_BATCH_MAX_ENTRIES if settings.outbox else 1,
        )

    def _receiver(self, queue: str, *, found: bool = False) -> SqsReceiver:
        return SqsReceiver(
            self._queues, queue, self._settings, self._paused, found=found
        )

    def find_receivers(self) -> None:
        """List the queues, and receive from those that are not excluded."""
        if not self.finds_receivers:
            return
        known = {receiver.name: receiver for receiver in self.receivers}
        queues = self._queues.found()
        named = {receiver.name for receiver in self._named}
        self.receivers = [
            *self._named,
            *(
                known.get(queue) or self._receiver(queue, found=True)
                for queue in queues
                if queue not in named and queue not in self._excluded
            ),
        ]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages soon, up to ten per call; at once in an ordered queue.

        There they keep back the rest of their group.
        """
        self._delete([it for it in deliveries if is_ordered(it.queue)])
        self._acknowledged.add([it for it in deliveries if not is_ordered(it.queue)])

    def _delete(self, deliveries: list[Delivery]) -> None:
        for queue, batch in _batches(deliveries):
            self._delete_batch(queue, batch)

    def _delete_batch(self, queue: str, deliveries: Sequence[Delivery]) -> None:
        entries = [
            {"Id": str(i), "ReceiptHandle": delivery.receipt}
            for i, delivery in enumerate(deliveries)
        ]
        try:
            answer = self._queues.call("delete_message_batch", queue, Entries=entries)
            failed = [entry.get("Code") for entry in answer.get("Failed", [])]
        except TransportError as error:
            failed = [str(error)] * len(deliveries)
        for reason in failed:
            self._log.warning(
                ("delete", queue, reason),
                "SQS did not delete a message of %s (%s); it comes again and is "
                "dropped then",
                queue,
                reason,
            )

    def release(self, delivery: Delivery, delay_s: float) -> None:
        """Change the visibility timeout, which keeps the message's receive count."""
        try:
            self._queues.call(
                "change_message_visibility",
                delivery.queue,
                ReceiptHandle=delivery.receipt,
                VisibilityTimeout=whole_seconds(delay_s, _left_s(delivery)),
            )
        except LeaseLost as error:
            # It is visible already, or another worker has it.
            logger.info("message of %s not hidden: %s", delivery.queue, error)

    def release_max_s(self, delivery: Delivery) -> float:
        """The rest of the 12 hours for which SQS can hide a message after a receive."""
        return _left_s(delivery)

    def dead_letter(self, delivery: Delivery, reason: str, token: str | None) -> None:
        """Copy the message to the dead-letter queue, then delete it."""
        self._queues.call_dead(
            "send_message",
            delivery.queue,
            MessageBody=delivery.text,
            MessageAttributes=_facts(delivery, reason, token),
            **message_group.copy_of(delivery.group),
        )
        self.acknowledge([delivery])

    def extend(self, deliveries: Sequence[Delivery], timeout_s: int) -> list[Delivery]:
        """Extend visibility timeouts, up to ten per call, and to 12 hours in all."""
        lost = [delivery for delivery in deliveries if not _left_s(delivery)]
        for delivery in lost:
            _once.warning(
                delivery.receipt,
                "SQS has hidden a message of %s for 12 hours, as long as it can, and "
                "its task still runs: others get the message now. With a row the run "
                "goes on; without, it is rolled back",
                delivery.queue,
            )
        held = [delivery for delivery in deliveries if delivery not in lost]
        for queue, batch in _batches(held):
            lost += self._extend(queue, batch, timeout_s)
        return lost

    def _extend(
        self, queue: str, deliveries: Sequence[Delivery], timeout_s: int
    ) -> list[Delivery]:
        answer = self._queues.call(
            "change_message_visibility_batch",
            queue,
            Entries=[
                {
                    "Id": str(i),
                    "ReceiptHandle": delivery.receipt,
                    "VisibilityTimeout": min(timeout_s, _left_s(delivery)),
                }
                for i, delivery in enumerate(deliveries)
            ],
        )
        failed = answer.get("Failed", [])
        for entry in failed:
            self._log.warning(
                ("hold", queue, entry.get("Code")),
                "SQS did not hold a message of %s any longer (%s)",
                queue,
                entry.get("Code"),
            )
        return [deliveries[int(entry["Id"])] for entry in failed]

    def close(self) -> None:
        """Delete acknowledged messages; boto3 closes its connections by itself."""
        self._acknowledged.close()
