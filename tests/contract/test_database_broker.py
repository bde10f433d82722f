"""The broker ``database``, on SQLite and PostgreSQL."""

from __future__ import annotations

import time

import pytest

from tests.contract.broker_suite import BrokerSuite, consuming
from tests.contract.carriers import Carrier, RowCarrier, parcel


class TestDatabaseBroker(BrokerSuite):
    """All of the contract."""

    @pytest.fixture
    def carrier(self, database: str) -> Carrier:
        return RowCarrier(database)

    @pytest.mark.backends("postgresql")
    def test_a_row_wakes_the_worker_at_once(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            consumer.receive(1, 0)
            # From here on it listens.
            consumer.receive(1, 0.1)
            carrier.post([parcel()])
            started = time.monotonic()
            assert len(consumer.receive(1, 30)) == 1
            assert time.monotonic() - started < 1

    def test_a_wait_can_be_ended(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            consumer.wake()
            started = time.monotonic()
            assert consumer.receive(1, 20) == []
            assert time.monotonic() - started < 5
