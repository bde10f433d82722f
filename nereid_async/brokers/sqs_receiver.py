"""Receiving from a queue of Amazon SQS."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from ..errors import TransportError
from ..limits import SQS_BATCH_MAX_ENTRIES, SQS_LONG_POLL_MAX_S
from ..settings import Settings
from ..sqs.task_queues import TaskQueues
from .base import Delivery
from .paused_queues import PausedQueues

logger = logging.getLogger(__name__)

#: Read timeout of a receive: the longest poll, and time for the answer.
RECEIVE_TIMEOUT_S = SQS_LONG_POLL_MAX_S + 10.0
#: The attribute that tells a dead letter of ours, which AWS has moved back, from a
#: message that is new.
DEAD_LETTER = "nereid_async.dead_letter"
#: How soon it is looked again whether a queue is still paused.
_PAUSED_WAIT_S = 0.5


class SqsReceiver:
    """Receives from one queue: a long poll is for one.

    While the queue is paused, it brings nothing, and SQS is not called.

    :param queue: its short name.
    """

    def __init__(
        self,
        queues: TaskQueues,
        queue: str,
        settings: Settings,
        paused: PausedQueues,
    ) -> None:
        self.name = queue
        self._queues = queues
        self._paused = paused
        self._visibility_s = settings.visibility_timeout
        self._wait_s = settings.sqs_wait_time

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Receive up to ten messages; see :class:`.base.Receiver`."""
        if self._is_paused:
            time.sleep(min(wait_s, _PAUSED_WAIT_S))
            return []
        wait_s = _whole(min(wait_s, self._wait_s))
        asked_at_s = time.monotonic()
        answer = self._queues.call(
            "receive_message",
            self.name,
            MaxNumberOfMessages=min(limit, SQS_BATCH_MAX_ENTRIES),
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=self._visibility_s,
            AttributeNames=[
                "ApproximateReceiveCount",
                "ApproximateFirstReceiveTimestamp",
            ],
            MessageAttributeNames=[DEAD_LETTER],
        )
        # SQS does not wait for longer; a process that was stopped hears of it later.
        received_at_s = min(time.monotonic(), asked_at_s + wait_s)
        messages = answer.get("Messages", [])
        if messages and self._is_paused:
            # Since the poll began, which may be a while ago.
            self._give_back(messages)
            return []
        return [_delivery(self.name, it, received_at_s) for it in messages]

    @property
    def _is_paused(self) -> bool:
        return not self._paused.without([self.name])

    def _give_back(self, messages: Sequence[dict[str, Any]]) -> None:
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
        """Nothing: a long poll that is given up may strand what it receives."""


def _whole(wait_s: float) -> int:
    # A part of a second is a wait: of 0 s, it would be made again and again.
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
    )
