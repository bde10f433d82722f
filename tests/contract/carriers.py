"""The brokers, each with what a worker does around it, behind one face."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from nereid_async.brokers.base import Broker, Consumer, Delivery, Parcel
from nereid_async.brokers.database import DatabaseBroker
from nereid_async.brokers.memory import MemoryBroker
from nereid_async.brokers.sqs import SqsBroker
from nereid_async.results.base import Outcome
from nereid_async.rows import Row, TaskRows
from nereid_async.settings import Settings
from nereid_async.states import State
from tests.fixtures.services import numbers, sqs_settings
from tests.messages import message

#: Seconds a message stays hidden from others once it was received.
VISIBILITY_S = 3

_numbers = itertools.count()


def parcel(
    queue: str = "q", delay_s: float = 0, text: str = "", **options: Any
) -> Parcel:
    """A message to send, told apart by its text."""
    text = text or f"message {next(_numbers)}"
    return Parcel(str(uuid.uuid4()), queue, text, delay_s, **options)


class Carrier(Protocol):
    """A broker under test."""

    broker: Broker

    def post(self, parcels: Sequence[Parcel]) -> None:
        """Send messages, and see them confirmed."""

    def give_back(self, consumer: Consumer, it: Delivery, delay_s: float) -> None:
        """Let a message come again, as a worker does."""

    def done(self, consumer: Consumer, it: Delivery) -> None:
        """Finish a message for good, as a worker does."""


class QueueCarrier:
    """A broker whose messages are no rows."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def post(self, parcels: Sequence[Parcel]) -> None:
        assert sorted(self.broker.send(parcels).confirmed) == sorted(
            p.id for p in parcels
        )

    def give_back(self, consumer: Consumer, it: Delivery, delay_s: float) -> None:
        consumer.hide(it, delay_s)

    def done(self, consumer: Consumer, it: Delivery) -> None:
        consumer.acknowledge([it])


class RowCarrier:
    """The broker whose messages are rows, which the run of a task moves on."""

    def __init__(self, database: str) -> None:
        self._rows = TaskRows(database)
        self.broker: Broker = DatabaseBroker(self._rows, VISIBILITY_S, web=True)

    def post(self, parcels: Sequence[Parcel]) -> None:
        self._rows.insert_apart([_row(parcel) for parcel in parcels], notify=True)
        assert sorted(self.broker.send(parcels).confirmed) == sorted(
            p.id for p in parcels
        )

    def give_back(self, consumer: Consumer, it: Delivery, delay_s: float) -> None:
        assert it.claim is not None
        self._rows.release(it.claim, State.PENDING, delay_s, 1)
        consumer.hide(it, delay_s)

    def done(self, consumer: Consumer, it: Delivery) -> None:
        assert it.claim is not None
        self._rows.finish_apart(it.claim, Outcome(), 60)
        consumer.acknowledge([it])


def memory_carrier() -> Carrier:
    """The broker ``memory``."""
    return QueueCarrier(MemoryBroker(visibility_timeout_s=VISIBILITY_S))


def sqs_carrier(endpoint: str) -> Carrier:
    """The broker ``sqs`` on a server, with queues of its own."""
    options = numbers(sqs_settings(endpoint))
    settings = Settings(signing_key=(b"k",), visibility_timeout=VISIBILITY_S, **options)
    return QueueCarrier(SqsBroker("shop", settings))


def _send(broker: Broker, parcels: Sequence[Parcel]) -> None:
    report = broker.send(parcels)
    assert sorted(report.confirmed) == sorted(parcel.id for parcel in parcels)


def _row(parcel: Parcel) -> Row:
    made = message(parcel.queue, id=parcel.id, delay_s=parcel.delay_s)
    return Row(made, parcel.text)
