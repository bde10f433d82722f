"""Receives from a queue of Amazon SQS."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from ..errors import QueueMissing, TransportError
from ..limits import SQS_BATCH_MAX_ENTRIES, SQS_LONG_POLL_MAX_S
from ..queue_selection import is_ordered
from ..settings import Settings
from ..sqs.task_queues import TaskQueues
from .base import Delivery
from .paused_queues import PausedQueues

logger = logging.getLogger(__name__)

#: Read timeout of a receive: the longest poll, and time for the answer.
RECEIVE_TIMEOUT_S = SQS_LONG_POLL_MAX_S + 10.0
#: Message attribute of our dead letters, by which a redriven one is recognised.
DEAD_LETTER = "nereid_async.dead_letter"
#: How long a poll of a paused or deleted queue takes.
_IDLE_WAIT_S = 0.5


class SqsReceiver:
    """Receives from one queue: a long poll of SQS is for one.

    While the queue is paused, it returns nothing, and SQS is not called.

    :param queue: short name of the queue.
    :param paused: tells which queues are paused.
    :param found: whether the queue was listed; one that is deleted then is not created
        again.
    """

    def __init__(
        self,
        queues: TaskQueues,
        queue: str,
        settings: Settings,
        paused: PausedQueues,
        *,
        found: bool = False,
    ) -> None:
        self.name = queue
        self._found = found
        self._queues = queues
        self._paused = paused
        self._visibility_s = settings.visibility_timeout
        self._wait_s = settings.sqs_wait_time

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Receive up to ten messages; see :class:`.base.Receiver`."""
        if self._is_paused:
            time.sleep(min(wait_s, _IDLE_WAIT_S))
            return []
        try:
            return self._receive(limit, wait_s)
        except QueueMissing:
            if not self._found:
                raise
            # Deleted since it was found; the next look will not find it.
            time.sleep(min(wait_s, _IDLE_WAIT_S))
            return []

    def _receive(self, limit: int, wait_s: float) -> list[Delivery]:
        wait_s = _whole(min(wait_s, self._wait_s))
        asked_at_s = time.monotonic()
        answer = self._queues.call(
            "receive_message",
            self.name,
            create=not self._found,
            MaxNumberOfMessages=min(limit, SQS_BATCH_MAX_ENTRIES),
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=self._visibility_s,
            AttributeNames=[
                "ApproximateReceiveCount",
                "ApproximateFirstReceiveTimestamp",
                *(["MessageGroupId"] if is_ordered(self.name) else []),
            ],
            MessageAttributeNames=[DEAD_LETTER],
        )
        # SQS has answered by then; a stopped process (SIGSTOP) reads the answer later.
        received_at_s = min(time.monotonic(), asked_at_s + wait_s)
        messages = answer.get("Messages", [])
        if messages and self._is_paused:
            # Paused during the long poll.
            self._release(messages)
            return []
        return [_delivery(self.name, it, received_at_s) for it in messages]

    @property
    def _is_paused(self) -> bool:
        return not self._paused.without([self.name])

    def _release(self, messages: Sequence[dict[str, Any]]) -> None:
        """Make messages visible again. If that fails, they are after a while."""
        entries = [
            {
                "Id": str(i),
                "ReceiptHandle": message["ReceiptHandle"],
                "VisibilityTimeout": 0,
            }
            for i, message in enumerate(messages)
        ]
        operation = "change_message_visibility_batch"
        try:
            self._queues.call(operation, self.name, Entries=entries)
        except TransportError as error:
            logger.info("messages of paused queue %s stay hidden: %s", self.name, error)

    def wake(self) -> None:
        """Do nothing: messages may be lost in the answer to an aborted long poll."""


def _whole(wait_s: float) -> int:
    # At least 1 s for any wait: with 0 s it would become a busy loop.
    return max(int(wait_s), 1) if wait_s > 0 else 0


def _delivery(queue: str, message: dict[str, Any], received_at_s: float) -> Delivery:
    facts = message.get("Attributes", {})
    mark = message.get("MessageAttributes", {}).get(DEAD_LETTER, {})
    first_ms = facts.get("ApproximateFirstReceiveTimestamp")
    return Delivery(
        text=message["Body"],
        receipt=message["ReceiptHandle"],
        queue=queue,
        receive_count=int(facts.get("ApproximateReceiveCount", 1)),
        first_received_s=None if first_ms is None else int(first_ms) / 1_000,
        received_at_s=received_at_s,
        dead_letter=mark.get("StringValue"),
        group=facts.get("MessageGroupId") if is_ordered(queue) else None,
    )
