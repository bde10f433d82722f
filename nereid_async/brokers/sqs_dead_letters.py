"""The dead letters on Amazon SQS: looked at, moved back, deleted.

SQS has no look without a receive. What is received is hidden for a while, and released
at the end, so that a command that is killed loses nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..errors import QueueMissing, TransportError
from ..limits import SQS_BATCH_MAX_ENTRIES
from ..queue_selection import is_ordered
from ..sqs import message_group
from ..sqs.task_queues import TaskQueues
from .dead_letters import DeadMessage
from .sqs_receiver import DEAD_LETTER

#: How long a letter is hidden: longer than a few hundred of them take to be settled.
_HIDDEN_S = 120
#: A long poll asks all servers of SQS; a short one may miss what is there.
_WAIT_S = 1
#: Value of the mark of a letter whose task has no row, or whose row was not touched.
_NO_TOKEN = "-"


class SqsDeadLetters:
    """Receives dead letters, and settles them.

    :param queues: those of the database.
    """

    def __init__(self, queues: TaskQueues) -> None:
        self._queues = queues
        #: Those that are hidden, by their own ids.
        self._hidden: dict[str, DeadMessage] = {}

    def queues(self) -> list[str]:
        """List the queues; see :class:`.dead_letters.DeadLetterQueues`."""
        return self._queues.found_dead()

    def count(self, queue: str) -> int:
        """SQS's number; see :class:`.dead_letters.DeadLetterQueues`."""
        return self._queues.backlog_of_dead(queue)

    def received(self, queue: str) -> Iterator[DeadMessage]:
        """Receive while there are new ones; see :meth:`.DeadLetterQueues.received`."""
        while True:
            try:
                answer = self._queues.call_dead(
                    "receive_message",
                    queue,
                    create=False,
                    MaxNumberOfMessages=SQS_BATCH_MAX_ENTRIES,
                    VisibilityTimeout=_HIDDEN_S,
                    WaitTimeSeconds=_WAIT_S,
                    AttributeNames=["SentTimestamp", "MessageGroupId"],
                    MessageAttributeNames=["All"],
                )
            except QueueMissing:
                return
            found = [_message(queue, it) for it in answer.get("Messages", [])]
            new = [it for it in found if it.id not in self._hidden]
            self._hidden |= {it.id: it for it in found}
            # Those seen before came again after their time: all have been seen.
            if not new:
                return
            yield from new

    def move_back(self, letter: DeadMessage) -> None:
        """Send it with its attributes, as AWS's redrive does, then delete it."""
        self._queues.call(
            "send_message",
            letter.queue,
            MessageBody=letter.text,
            MessageAttributes=letter.attributes,
            **message_group.copy_of(letter.group),
        )
        self.delete(letter)

    def delete(self, letter: DeadMessage) -> None:
        """Delete it by its last receipt."""
        # Received again meanwhile, it has another receipt.
        receipt = self._hidden.get(letter.id, letter).receipt
        self._queues.call_dead(
            "delete_message", letter.queue, create=False, ReceiptHandle=receipt
        )
        self._hidden.pop(letter.id, None)

    def close(self) -> None:
        """Release what was received and is still there, for others to see."""
        hidden, self._hidden = list(self._hidden.values()), {}
        for queue in {it.queue for it in hidden}:
            of_queue = [it for it in hidden if it.queue == queue]
            for start in range(0, len(of_queue), SQS_BATCH_MAX_ENTRIES):
                with suppress(TransportError):
                    self._release(
                        queue, of_queue[start : start + SQS_BATCH_MAX_ENTRIES]
                    )

    def _release(self, queue: str, letters: Sequence[DeadMessage]) -> None:
        self._queues.call_dead(
            "change_message_visibility_batch",
            queue,
            create=False,
            Entries=[
                {"Id": str(i), "ReceiptHandle": it.receipt, "VisibilityTimeout": 0}
                for i, it in enumerate(letters)
            ],
        )


def _message(queue: str, message: dict[str, Any]) -> DeadMessage:
    attributes = message.get("MessageAttributes", {})
    token = attributes.get(DEAD_LETTER, {}).get("StringValue", _NO_TOKEN)
    facts = message.get("Attributes", {})
    sent_ms = facts.get("SentTimestamp")
    return DeadMessage(
        id=message["MessageId"],
        queue=queue,
        text=message["Body"],
        receipt=message["ReceiptHandle"],
        attributes=attributes,
        reason=attributes.get("reason", {}).get("StringValue"),
        token=None if token == _NO_TOKEN else token,
        since=(
            None
            if sent_ms is None
            else dt.datetime.fromtimestamp(int(sent_ms) / 1_000, dt.timezone.utc)
        ),
        group=facts.get("MessageGroupId") if is_ordered(queue) else None,
    )
