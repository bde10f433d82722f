"""A deferred call on the caller's side, from ``defer`` to the broker."""

from __future__ import annotations

from enum import Enum

from .brokers.base import OutgoingMessage
from .messages.message import Message
from .rows import Row


class Stage(Enum):
    """How far a deferred call has come in its caller's process."""

    #: Its transaction has not committed.
    OPEN = "open"
    #: Committed, or sent.
    COMMITTED = "committed"
    #: Rolled back, or its row could not be written.
    DISCARDED = "discarded"


class DeferredCall:
    """One deferred call on the caller's side."""

    def __init__(self, message: Message, text: str) -> None:
        self.message = message
        self.text = text
        self.stage = Stage.OPEN
        self.has_row = False

    @property
    def row(self) -> Row:
        """Its row, to be written."""
        return Row(self.message, self.text)

    @property
    def outgoing(self) -> OutgoingMessage:
        """What the broker gets."""
        return OutgoingMessage(
            self.message.id,
            self.message.queue,
            self.text,
            self.message.delay_s,
            self.message.sqs_attributes,
        )
