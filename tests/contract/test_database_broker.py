"""The broker ``database``, on SQLite and PostgreSQL."""

from __future__ import annotations

import time

import pytest

from tests.contract.broker_suite import (
    BrokerSuite,
    consuming,
    receive,
    receive_all,
    texts,
)
from tests.contract.carriers import Carrier, RowCarrier, outgoing
from tests.helpers import wait_until


class TestDatabaseBroker(BrokerSuite):
    """All of the contract."""

    @pytest.fixture
    def carrier(self, database: str) -> Carrier:
        return RowCarrier(database)

    @pytest.mark.backends("postgresql")
    def test_a_row_wakes_the_worker_at_once(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            receive(consumer, 1, 0)
            # From here on it listens.
            receive(consumer, 1, 0.1)
            carrier.post([outgoing()])
            started = time.monotonic()
            assert len(receive(consumer, 1, 30)) == 1
            assert time.monotonic() - started < 1

    def test_a_wait_can_be_ended(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            consumer.receivers[0].wake()
            started = time.monotonic()
            assert receive(consumer, 1, 20) == []
            assert time.monotonic() - started < 5

    def test_what_a_dead_worker_held_comes_as_fast_as_anything_else(
        self, carrier: Carrier
    ) -> None:
        sent = [outgoing() for _ in range(60)]
        carrier.post(sent)
        with consuming(carrier) as consumer:
            assert len(receive_all(consumer, 60, limit=20)) == 60
        with consuming(carrier) as other:
            found = wait_until(lambda: receive(other, 10, 1), 30, "the leases are over")
            while len(found) < 60:
                # None of them is waited for.
                again = receive(other, 10, 0)
                assert again, len(found)
                found += again
        assert texts(found) == texts(sent)
