"""The brokers, each with what a worker does around it, behind one face."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from devtools.messages import message
from nereid_async.brokers.base import Broker, Consumer, Delivery, OutgoingMessage
from nereid_async.brokers.database import DatabaseBroker
from nereid_async.brokers.sqs import SqsBroker
from nereid_async.messages.outcome import Outcome, State
from nereid_async.rows import Row, TaskRows
from nereid_async.settings import Settings
from tests.fixtures.services import numbers, sqs_settings

#: How long a message stays hidden from others once it was received, in seconds: whole
#: ones for SQS, and enough for a slow server.
VISIBILITY_S = 3

_numbers = itertools.count()


def outgoing(
    queue: str = "q", delay_s: float = 0, text: str = "", **options: Any
) -> OutgoingMessage:
    """A message to send, told apart by its text."""
    text = text or f"message {next(_numbers)}"
    return OutgoingMessage(str(uuid.uuid4()), queue, text, delay_s, **options)


class Carrier(Protocol):
    """A broker under test."""

    broker: Broker
    #: How long a message stays hidden once it was received, and a good while longer,
    #: in seconds.
    visibility_s: float
    longer_s: float

    def post(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send messages, and see them confirmed."""

    def give_back(self, consumer: Consumer, it: Delivery, delay_s: float) -> None:
        """Let a message come again, as a worker does."""

    def done(self, consumer: Consumer, it: Delivery) -> None:
        """Finish a message for good, as a worker does."""


class QueueCarrier:
    """A broker whose messages are no rows.

    :param queue_prefix: what the names of its queues begin with.
    """

    def __init__(
        self, broker: Broker, visibility_s: float, queue_prefix: str = ""
    ) -> None:
        self.broker = broker
        self.visibility_s = visibility_s
        self.longer_s = visibility_s * 4 / 3
        self.queue_prefix = queue_prefix

    def post(self, messages: Sequence[OutgoingMessage]) -> None:
        _send(self.broker, messages)

    def give_back(self, consumer: Consumer, it: Delivery, delay_s: float) -> None:
        consumer.release(it, delay_s)

    def done(self, consumer: Consumer, it: Delivery) -> None:
        consumer.acknowledge([it])


class RowCarrier:
    """The broker whose messages are rows, which the run of a task moves on."""

    def __init__(self, database: str) -> None:
        self._rows = TaskRows(database)
        self.visibility_s: float = VISIBILITY_S
        self.longer_s: float = VISIBILITY_S + 1
        self.broker: Broker = DatabaseBroker(self._rows, VISIBILITY_S, web=True)

    def post(self, messages: Sequence[OutgoingMessage]) -> None:
        self._rows.insert_apart([_row(outgoing) for outgoing in messages], notify=True)
        _send(self.broker, messages)

    def give_back(self, consumer: Consumer, it: Delivery, delay_s: float) -> None:
        assert it.claim is not None
        self._rows.release(it.claim, State.PENDING, delay_s, 1)
        consumer.release(it, delay_s)

    def done(self, consumer: Consumer, it: Delivery) -> None:
        assert it.claim is not None
        self._rows.finish_apart(it.claim, Outcome(), 60)
        consumer.acknowledge([it])


def sqs_carrier(endpoint: str) -> Carrier:
    """The broker ``sqs`` on a server, with queues of its own."""
    options = numbers(sqs_settings(endpoint))
    settings = Settings(signing_key=(b"k",), visibility_timeout=VISIBILITY_S, **options)
    broker = SqsBroker("shop", settings)
    return QueueCarrier(broker, VISIBILITY_S, settings.sqs_queue_prefix)


def _send(broker: Broker, messages: Sequence[OutgoingMessage]) -> None:
    report = broker.send(messages)
    assert sorted(report.confirmed) == sorted(outgoing.id for outgoing in messages)


def _row(outgoing: OutgoingMessage) -> Row:
    made = message(outgoing.queue, id=outgoing.id, delay_s=outgoing.delay_s)
    return Row(made, outgoing.text)
