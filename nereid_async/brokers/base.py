"""What a broker is: it carries messages to workers, and knows nothing of tasks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import TransportError

if TYPE_CHECKING:
    from ..rows import Claim


@dataclass(frozen=True)
class OutgoingMessage:
    """A message on its way.

    :ivar id: the task's uuid.
    :ivar queue: short name of the queue.
    :ivar text: the signed message.
    :ivar delay_s: seconds before anybody may receive it.
    :ivar attributes: SQS message attributes, as boto3 takes them.
    """

    id: str
    queue: str
    text: str
    delay_s: float = 0
    attributes: dict[str, Any] | None = None


@dataclass
class SendReport:
    """What became of messages that were to be sent.

    :ivar confirmed: ids of those that the service has.
    :ivar unsent: the others, each with the reason.
    """

    confirmed: list[str] = field(default_factory=list)
    unsent: list[tuple[OutgoingMessage, TransportError]] = field(default_factory=list)

    def refuse(
        self, messages: Iterable[OutgoingMessage], error: TransportError
    ) -> None:
        """Note that these were not sent."""
        self.unsent += [(message, error) for message in messages]

    def reasons(self) -> list[tuple[str, TransportError, list[OutgoingMessage]]]:
        """What was not sent by queue and kind of error: one error of it, and all."""
        found: dict[
            tuple[str, type], tuple[str, TransportError, list[OutgoingMessage]]
        ] = {}
        for message, error in self.unsent:
            key = message.queue, type(error)
            found.setdefault(key, (message.queue, error, []))[2].append(message)
        return list(found.values())


@dataclass
class Delivery:
    """One handing-out of a message.

    :ivar text: the message as it came; nothing says yet that it is one of ours.
    :ivar receipt: what the broker needs to know the delivery by.
    :ivar queue: short name of the queue.
    :ivar receive_count: how often it was handed out, this time included.
    :ivar first_received_s: when it was first handed out, in seconds since 1970.
    :ivar received_at_s: when it was handed out, as far as is known here: by the
        monotonic clock.
    :ivar dead_letter: what it bears if it was a dead letter of ours and moved back.
    :ivar claim: the claim on its row, where the broker hands out claimed rows.
    """

    text: str
    receipt: Any
    queue: str
    receive_count: int = 1
    first_received_s: float | None = None
    received_at_s: float = field(default_factory=time.monotonic)
    dead_letter: str | None = None
    claim: Claim | None = None


class Receiver(Protocol):
    """What one poller asks for messages, of one queue or of several."""

    #: Tells it from the other receivers of its consumer, and names it in logs.
    name: str

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Take up to ``limit`` messages, waiting up to ``wait_s`` for the first.

        One thread at a time may call it.

        :raises TransportError: the service did not answer as it should.
        """

    def wake(self) -> None:
        """End a :meth:`receive` that waits, if that can be done without loss."""


class Consumer(Protocol):
    """The receiving side of a process; its methods are thread-safe."""

    #: Whether each receive costs money, also one that brings nothing.
    polls_are_billed: bool

    @property
    def receivers(self) -> Sequence[Receiver]:
        """What is to be asked, each at the same time as the others.

        One a queue where a wait for messages is for one queue.
        """

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Say that the outcome of these is durable: they need not come again.

        May be passed on somewhat later; :meth:`close` does at the latest.
        """

    def release(self, delivery: Delivery, delay_s: float) -> None:
        """Let the message come again in ``delay_s`` seconds; 0 gives it back now.

        Sooner, if that is longer than :meth:`can_hide_s`.
        """

    def release_max_s(self, delivery: Delivery) -> float:
        """The longest time for which the message can be hidden from now on."""

    def dead_letter(self, delivery: Delivery, reason: str, token: str | None) -> None:
        """Put the message where an administrator finds it, out of the queue.

        :param token: what :attr:`Delivery.dead_letter` has, should it be moved back.
        :raises TransportUnavailable: not now; it comes again.
        :raises TransportError: that cannot be done, and it is still in the queue.
        """

    def extend(self, deliveries: Sequence[Delivery], timeout_s: int) -> list[Delivery]:
        """Hold these messages for ``timeout_s`` more seconds, counted from now.

        :returns: those that it does not hold any more: somebody else may have them.
        """

    def close(self) -> None:
        """Let go of connections, those of the receivers included."""


class Broker(Protocol):
    """The sending side. Thread-safe; survives a fork."""

    #: Longest delay the broker itself can hold, in seconds; None for any.
    max_delay_s: float | None

    def check_queue(self, queue: str) -> None:
        """Check the short name of a queue, when a call is deferred to it.

        :raises ConfigurationError: there can be no such queue.
        """

    def send(self, messages: Sequence[OutgoingMessage]) -> SendReport:
        """Send committed messages, in as few calls as the service allows.

        What the service says is in the report: it raises nothing of that.
        """

    def backlog(self, queue: str) -> int:
        """How many messages wait in the queue of that short name to be received.

        :raises TransportError: the service does not tell.
        """

    def consumer(self, queues: Sequence[str]) -> Consumer:
        """Start to receive from the queues of these short names."""

    def prepare(self, queues: Sequence[str]) -> None:
        """Make, before a fork, what consumers of these queues can share.

        :raises ConfigurationError: a queue is not there, and nothing will make it.
        :raises TransportError: the service could not be asked.
        """

    def warnings(self, queues: Sequence[str]) -> list[str]:
        """What about these queues will make trouble; asked at a worker's start.

        :raises ConfigurationError: a queue belongs to another database.
        :raises TransportError: the service could not be asked.
        """
