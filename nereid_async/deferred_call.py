"""A deferred call on the caller's side, from ``defer`` to the broker."""

from __future__ import annotations

from enum import Enum

from .brokers.base import OutgoingMessage
from .messages.message import Message
from .rows import Row


class Stage(Enum):
    """The stage of a deferred call in its caller's process."""

    #: Its transaction has not committed.
    OPEN = "open"
    #: Committed, or sent.
    COMMITTED = "committed"
    #: Rolled back, or its row could not be written.
    DISCARDED = "discarded"
    #: Dropped before the commit, by :meth:`.result.AsyncResult.cancel`.
    CANCELLED = "cancelled"


class DeferredCall:
    """A deferred call in its caller's process.

    :ivar text: the call as signed text: for its row, or to be sent if it has none.
    :ivar has_row: whether its row was written.
    :ivar is_to_send: whether a message is to be sent for it.
    """

    #: What errors call it.
    kind = "task"

    def __init__(self, message: Message, text: str) -> None:
        self.message = message
        self.text = text
        self.stage = Stage.OPEN
        self.has_row = False
        self.is_to_send = True

    @property
    def id(self) -> str:
        """Id of the task that runs."""
        return self.message.id

    @property
    def open_id(self) -> str:
        """The id by which it is found while its transaction is open."""
        return self.message.id

    @property
    def is_new(self) -> bool:
        """Whether it makes a task."""
        return True

    @property
    def keeps(self) -> bool:
        """Whether it makes no task, and changes none."""
        return False

    @property
    def batch_id(self) -> str | None:
        """The id of the batch that it is a member of; None for none."""
        return self.message.batch

    @property
    def keeps_state(self) -> bool:
        """Whether anything will tell what has become of it."""
        return self.message.outbox or self.message.keep_result

    @property
    def row(self) -> Row:
        """The row to write for it."""
        return Row(self.message, self.text)

    def outgoing(self, text: str) -> OutgoingMessage:
        """The message to send for it.

        :param text: the call, or a pointer to its row.
        """
        return OutgoingMessage(
            self.message.id,
            self.message.queue,
            text,
            self.message.delay_s,
            self.message.sqs_attributes,
            self.message.group,
        )
