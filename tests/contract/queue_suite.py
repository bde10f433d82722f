"""What brokers must do whose messages are not rows."""

from __future__ import annotations

from tests.contract.broker_suite import (
    BrokerSuite,
    consuming,
    receive,
    receive_all,
    texts,
)
from tests.contract.carriers import Carrier, outgoing
from tests.helpers import wait_until


class QueueSuite(BrokerSuite):
    """Receive counts and receipts, which the database broker has no use for."""

    def test_receives_are_counted(self, carrier: Carrier) -> None:
        carrier.post([outgoing()])
        with consuming(carrier) as consumer:
            for count in (1, 2, 3):
                (received,) = receive_all(consumer, 1)
                assert received.receive_count == count
                consumer.release(received, 0)

    def test_an_extended_message_stays_hidden(self, carrier: Carrier) -> None:
        carrier.post([outgoing()])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            consumer.extend([received], round(carrier.longer_s) + 30)
            assert receive(consumer, 1, carrier.longer_s) == []
            consumer.release(received, 0)
            receive_all(consumer, 1)

    def test_a_late_acknowledgement_does_not_hurt(self, carrier: Carrier) -> None:
        carrier.post([outgoing()])
        with consuming(carrier) as consumer, consuming(carrier) as other:
            (received,) = receive_all(consumer, 1)
            (again,) = wait_until(lambda: receive(other, 1, 1), 30, "redelivery")
            other.acknowledge([again])
            consumer.acknowledge([received])
            consumer.release(received, 1)
            consumer.extend([received], 1)
            consumer.acknowledge([received])
            assert receive(consumer, 1, 0) == []

    def test_many_are_acknowledged_at_once(self, carrier: Carrier) -> None:
        sent = [outgoing("a") for _ in range(12)] + [outgoing("b")]
        carrier.post(sent)
        with consuming(carrier, "a", "b") as consumer:
            received = receive_all(consumer, 13)
            consumer.acknowledge(received)
            assert receive(consumer, 10, carrier.longer_s) == []
        assert texts(received) == texts(sent)

    def test_a_buried_message_is_out_of_the_queue(self, carrier: Carrier) -> None:
        carrier.post([outgoing()])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            consumer.dead_letter(received, "no such task ☃", None)
            assert receive(consumer, 1, carrier.longer_s) == []
