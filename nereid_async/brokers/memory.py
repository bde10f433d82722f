"""The broker `memory`, for tests in one process: ours, and those of applications."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

from ..queue_selection import selected
from ..settings import Settings
from .base import Delivery, OutgoingMessage, SendReport


class _Held:
    def __init__(self, message: OutgoingMessage, visible_at_s: float) -> None:
        self.outgoing = message
        self.visible_at_s = visible_at_s
        self.receive_count = 0


class MemoryBroker:
    """Queues in memory, with visibility timeouts and receive counts as in SQS.

    :param visibility_timeout_s: visibility timeout of a receive, in seconds.
    :ivar dead: dead letters, with their reasons.
    """

    max_delay_s: float | None = None
    rows_are_messages = False

    def __init__(
        self, visibility_timeout_s: float = Settings.visibility_timeout
    ) -> None:
        self._visibility_timeout_s = visibility_timeout_s
        self._changed = threading.Condition()
        self._queues: dict[str, list[_Held]] = {}
        self.dead: list[tuple[Delivery, str]] = []

    def check_queue(self, queue: str) -> None:
        """Accept any name; see :class:`.base.Broker`."""

    def send(self, messages: Sequence[OutgoingMessage]) -> SendReport:
        """Store messages; see :class:`.base.Broker`."""
        with self._changed:
            for message in messages:
                held = _Held(message, time.monotonic() + message.delay_s)
                self._queues.setdefault(message.queue, []).append(held)
            self._changed.notify_all()
        return SendReport([message.id for message in messages])

    def dead_letters(self) -> None:
        """Return None: those in memory are for tests."""

    def backlog(self, queue: str) -> int:
        """Number of visible messages; see :class:`.base.Broker`."""
        now_s = time.monotonic()
        with self._changed:
            held = self._queues.get(queue, [])
            return sum(it.visible_at_s <= now_s for it in held)

    def waiting(self, queue: str) -> list[OutgoingMessage]:
        """The messages of a queue that are not acknowledged."""
        with self._changed:
            return [held.outgoing for held in self._queues.get(queue, [])]

    def consumer(
        self, queues: Sequence[str], excluded: Collection[str] = ()
    ) -> MemoryConsumer:
        """Make a consumer; see :class:`.base.Broker`."""
        return MemoryConsumer(self, queues, excluded)

    def existing(self, queues: Sequence[str], excluded: Collection[str]) -> list[str]:
        """Those that a message was sent to; see :class:`.base.Broker`."""
        with self._changed:
            found = sorted(self._queues.keys() - {*excluded})
        return selected(queues, found)

    def prepare(self, queues: Sequence[str]) -> None:
        """Do nothing; see :class:`.base.Broker`."""

    def warnings(self, queues: Sequence[str]) -> list[str]:
        """Return nothing; see :class:`.base.Broker`."""
        return []

    def _take(self, queues: Sequence[str], limit: int) -> list[Delivery]:
        now_s = time.monotonic()
        deliveries: list[Delivery] = []
        for queue in queues:
            for held in self._queues.get(queue, []):
                if held.visible_at_s <= now_s and len(deliveries) < limit:
                    held.visible_at_s = now_s + self._visibility_timeout_s
                    held.receive_count += 1
                    deliveries.append(
                        Delivery(held.outgoing.text, held, queue, held.receive_count)
                    )
        return deliveries


class MemoryReceiver:
    """Receives from the queues of a :class:`MemoryBroker`."""

    def __init__(
        self, broker: MemoryBroker, queues: Sequence[str], excluded: Collection[str]
    ) -> None:
        self.name = ", ".join(queues)
        self._broker = broker
        self._queues = list(queues)
        self._excluded = excluded

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Receive visible messages; see :class:`.base.Receiver`."""
        broker = self._broker
        deadline_s = time.monotonic() + wait_s
        with broker._changed:
            while True:
                queues = broker.existing(self._queues, self._excluded)
                deliveries = broker._take(queues, limit)
                left_s = deadline_s - time.monotonic()
                if deliveries or left_s <= 0:
                    return deliveries
                broker._changed.wait(min(left_s, 0.05))

    def wake(self) -> None:
        """Do nothing: waits are short."""


class MemoryConsumer:
    """Settles messages of a :class:`MemoryBroker`."""

    polls_are_billed = False
    finds_receivers = False

    def __init__(
        self, broker: MemoryBroker, queues: Sequence[str], excluded: Collection[str]
    ) -> None:
        self._broker = broker
        self.receivers = [MemoryReceiver(broker, queues, excluded)]

    def find_receivers(self) -> None:
        """Nothing to do: one receiver takes from all queues."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages."""
        with self._broker._changed:
            for delivery in deliveries:
                held = self._broker._queues.get(delivery.queue, [])
                if delivery.receipt in held:
                    held.remove(delivery.receipt)

    def release(self, delivery: Delivery, delay_s: float) -> None:
        """Let a message come again later."""
        with self._broker._changed:
            delivery.receipt.visible_at_s = time.monotonic() + delay_s
            self._broker._changed.notify_all()

    def release_max_s(self, delivery: Delivery) -> float:
        """Return infinity."""
        return float("inf")

    def dead_letter(self, delivery: Delivery, reason: str, token: str | None) -> None:
        """Move a message to :attr:`MemoryBroker.dead`."""
        self._broker.dead.append((delivery, reason))
        self.acknowledge([delivery])

    def extend(self, deliveries: Sequence[Delivery], timeout_s: int) -> list[Delivery]:
        """Extend the visibility timeouts of messages."""
        for delivery in deliveries:
            self.release(delivery, timeout_s)
        return []

    def close(self) -> None:
        """Do nothing: there are no connections."""
