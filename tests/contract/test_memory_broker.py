"""The broker ``memory``."""

from __future__ import annotations

import pytest

from nereid_async.brokers.memory import MemoryBroker
from tests.contract.broker_suite import consuming, receive_all
from tests.contract.carriers import Carrier, memory_carrier, outgoing
from tests.contract.queue_suite import QueueSuite


class TestMemoryBroker(QueueSuite):
    """All of the contract, and what its users look at."""

    @pytest.fixture
    def carrier(self) -> Carrier:
        return memory_carrier()

    def test_dead_letters_are_kept(self, carrier: Carrier) -> None:
        sent = outgoing()
        carrier.post([sent])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            consumer.dead_letter(received, "why", None)
        assert isinstance(carrier.broker, MemoryBroker)
        ((letter, reason),) = carrier.broker.dead
        assert (letter.text, reason) == (sent.text, "why")
