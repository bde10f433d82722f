"""The interface of brokers, which carry messages and know nothing of tasks."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import TransportError
from .dead_letters import DeadLetterQueues

if TYPE_CHECKING:
    from ..rows import Claim, Starts


@dataclass(frozen=True)
class OutgoingMessage:
    """A message that is to be sent.

    :ivar id: the task's uuid.
    :ivar queue: short name of the queue.
    :ivar text: the signed message.
    :ivar delay_s: seconds before it may be received.
    :ivar attributes: SQS message attributes, in the form of boto3.
    :ivar group: the task's group; None for none.
    :ivar again: whether it may have been sent before, and is to be sent all the same.
    """

    id: str
    queue: str
    text: str
    delay_s: float = 0
    attributes: dict[str, Any] | None = None
    group: str | None = None
    again: bool = False


@dataclass
class SendReport:
    """The outcome of sending messages.

    :ivar confirmed: ids of the messages that the service has confirmed.
    :ivar unsent: other messages, each with its error.
    :ivar untried: messages that were not sent since there was no time left.
    """

    confirmed: list[str] = field(default_factory=list)
    unsent: list[tuple[OutgoingMessage, TransportError]] = field(default_factory=list)
    untried: list[OutgoingMessage] = field(default_factory=list)

    @property
    def of_service(self) -> bool:
        """Whether the service, not just a queue, has failed."""
        return any(error.of_service for _, error in self.unsent)

    def refuse(
        self, messages: Iterable[OutgoingMessage], error: TransportError
    ) -> None:
        """Note that messages were not sent."""
        self.unsent += [(message, error) for message in messages]

    def reasons(self) -> list[tuple[str, TransportError, list[OutgoingMessage]]]:
        """The unsent messages, grouped by queue and class of error.

        :returns: for each group the queue, its first error, and its messages.
        """
        found: dict[
            tuple[str, type], tuple[str, TransportError, list[OutgoingMessage]]
        ] = {}
        for message, error in self.unsent:
            key = message.queue, type(error)
            found.setdefault(key, (message.queue, error, []))[2].append(message)
        return list(found.values())


@dataclass
class Delivery:
    """One receive of a message.

    :ivar text: the message, not verified yet.
    :ivar receipt: identifies the delivery to the broker.
    :ivar queue: short name of the queue.
    :ivar receive_count: number of receives of the message, including this one.
    :ivar first_received_s: time of its first receive, in seconds since 1970; None if
        unknown.
    :ivar received_at_s: time of this receive by the monotonic clock; early rather than
        late.
    :ivar dead_letter: the token in a dead letter of ours that was redriven; None for
        any other message.
    :ivar claim: the claim of its row, if the broker delivers claimed rows.
    :ivar group: the group of an ordered queue's message, as the broker knows it; None
        in any other queue.
    """

    text: str
    receipt: Any
    queue: str
    receive_count: int = 1
    first_received_s: float | None = None
    received_at_s: float = field(default_factory=time.monotonic)
    dead_letter: str | None = None
    claim: Claim | None = None
    group: str | None = None


class Receiver(Protocol):
    """Receives messages for one poller, from one queue or several."""

    #: Unique name among the receivers of its consumer, also for logs.
    name: str

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Receive up to ``limit`` messages; wait up to ``wait_s`` s for the first one.

        Must not be called by two threads at the same time.

        :raises TransportError: the service is unreachable, or refuses.
        """

    def wake(self) -> None:
        """End a waiting :meth:`receive`, if no message can be lost by that."""


class Consumer(Protocol):
    """The receiving side of a process; its methods are thread-safe."""

    #: Whether each receive costs money, also an empty one.
    polls_are_billed: bool

    #: Whether receivers come and go, as :meth:`find_receivers` finds them.
    finds_receivers: bool

    @property
    def receivers(self) -> Sequence[Receiver]:
        """The receivers, which are to be polled at the same time.

        One per queue, if a receive is for one queue only.
        """

    def find_receivers(self) -> None:
        """Bring :attr:`receivers` up to date with the queues that exist now.

        :raises TransportError: they cannot be told; the receivers stay.
        """

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages from their queues, since their outcomes are durable.

        May be done somewhat later, by :meth:`close` at the latest.
        """

    def release(self, delivery: Delivery, delay_s: float) -> None:
        """Let a message come again in ``delay_s`` seconds.

        Sooner, if that is longer than :meth:`release_max_s`.
        """

    def release_max_s(self, delivery: Delivery) -> float:
        """The longest possible delay of :meth:`release`, in seconds."""

    def dead_letter(self, delivery: Delivery, reason: str, token: str | None) -> None:
        """Move a message to the dead letters, for administrators.

        :param reason: why, as text.
        :param token: becomes :attr:`Delivery.dead_letter` if the message is redriven.
        :raises TransportUnavailable: not possible now; the message comes again.
        :raises TransportError: refused; the message is still in its queue.
        """

    def extend(self, deliveries: Sequence[Delivery], timeout_s: int) -> list[Delivery]:
        """Extend the visibility timeouts of messages to ``timeout_s`` seconds from now.

        :returns: the deliveries whose messages others may have received.
        :raises TransportError: the service is unreachable, or refuses.
        """

    def close(self) -> None:
        """Close all connections, including those of the receivers."""


class Broker(Protocol):
    """The sending side. Thread-safe; survives a fork."""

    #: Longest delay of a message, in seconds; None for any.
    max_delay_s: float | None
    #: Whether workers claim the rows directly, so that nothing is sent.
    rows_are_messages: bool

    def check_queue(self, queue: str) -> None:
        """Check the short name of a queue when a call is deferred to it.

        :raises ConfigurationError: the broker cannot have such a queue.
        """

    def send(
        self, messages: Sequence[OutgoingMessage], until_s: float = float("inf")
    ) -> SendReport:
        """Send committed messages, in as few calls as the service allows.

        Errors of the service are in the report, not raised.

        :param until_s: when to begin the last call, by the monotonic clock.
        """

    def dead_letters(self) -> DeadLetterQueues | None:
        """The dead letters; None where the rows of failed tasks are all there is."""

    def backlog(self, queue: str) -> int:
        """Number of messages that wait to be received in the queue with a short name.

        :raises TransportError: the service is unreachable, or refuses.
        """

    def consumer(
        self,
        queues: Sequence[str],
        excluded: Collection[str] = (),
        starts: Starts | None = None,
    ) -> Consumer:
        """Make a consumer of queues.

        A consumer settles the deliveries of its broker, whichever consumer received
        them.

        :param queues: short names; ``*`` among them for all queues, those included that
            appear later.
        :param excluded: short names of queues that ``*`` leaves out.
        :param starts: lets the claims of delivered rows count the attempt at once; None
            for none.
        """

    def existing(self, queues: Sequence[str], excluded: Collection[str]) -> list[str]:
        """Short names of the queues that a consumer would receive from now.

        :raises ConfigurationError: ``*`` is among them, and cannot be told.
        :raises TransportError: the service could not be asked.
        """

    def prepare(self, queues: Sequence[str]) -> None:
        """Load, before a fork, what the consumers of these queues can share.

        :raises ConfigurationError: a queue does not exist, and will not be created.
        :raises TransportError: the service could not be asked.
        """

    def warnings(self, queues: Sequence[str]) -> list[str]:
        """Texts for the log about these queues, at the start of a worker.

        :raises ConfigurationError: a queue belongs to another database.
        :raises TransportError: the service could not be asked.
        """
