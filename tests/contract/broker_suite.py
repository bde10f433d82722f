"""What every broker must do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nereid_async.brokers.base import Consumer, Delivery, OutgoingMessage
from tests.contract.carriers import Carrier, outgoing
from tests.helpers import wait_until

#: Long enough for any server here to hand out what is there.
WAIT_S = 2.0


@contextmanager
def consuming(carrier: Carrier, *queues: str) -> Iterator[Consumer]:
    """A consumer of some queues, closed afterwards."""
    consumer = carrier.broker.consumer(queues or ("q",))
    try:
        yield consumer
    finally:
        consumer.close()


def receive(consumer: Consumer, limit: int, wait_s: float) -> list[Delivery]:
    """Receive from whichever receiver has something, one after the other."""
    for receiver in consumer.receivers:
        deliveries = receiver.receive(limit, wait_s)
        if deliveries:
            return deliveries
    return []


def receive_all(consumer: Consumer, number: int, limit: int = 10) -> list[Delivery]:
    """Receive until so many have come."""
    found: list[Delivery] = []
    deadline = time.monotonic() + 30
    while len(found) < number and time.monotonic() < deadline:
        found += receive(consumer, limit, WAIT_S)
    assert len(found) == number, [it.text for it in found]
    return found


def texts(messages: Sequence[OutgoingMessage | Delivery]) -> list[str]:
    return sorted(it.text for it in messages)


class BrokerSuite:
    """Subclass it and provide the fixture ``carrier``."""

    def test_what_is_sent_is_received(self, carrier: Carrier) -> None:
        sent = outgoing()
        carrier.post([sent])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            assert received.text == sent.text
            assert received.queue == "q"
            assert received.receive_count == 1

    def test_nothing_there_nothing_received(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            assert receive(consumer, 10, 0) == []

    def test_sending_nothing(self, carrier: Carrier) -> None:
        report = carrier.broker.send([])
        assert report.confirmed == []
        assert report.unsent == []

    def test_many_arrive_once_each(self, carrier: Carrier) -> None:
        sent = [outgoing() for _ in range(25)]
        carrier.post(sent)
        with consuming(carrier) as consumer:
            received = []
            for it in receive_all(consumer, 25):
                carrier.done(consumer, it)
                received.append(it)
            assert texts(received) == texts(sent)
            assert receive(consumer, 10, 0) == []

    def test_the_limit_holds(self, carrier: Carrier) -> None:
        carrier.post([outgoing() for _ in range(5)])
        with consuming(carrier) as consumer:
            assert 1 <= len(receive(consumer, 2, WAIT_S)) <= 2

    def test_queues_are_apart(self, carrier: Carrier) -> None:
        first, second = outgoing("a"), outgoing("b")
        carrier.post([first, second])
        with consuming(carrier, "b") as consumer:
            assert texts(receive_all(consumer, 1)) == [second.text]
            assert receive(consumer, 10, 0) == []
        with consuming(carrier, "a") as consumer:
            assert texts(receive_all(consumer, 1)) == [first.text]

    def test_one_consumer_of_several_queues(self, carrier: Carrier) -> None:
        sent = [outgoing("a"), outgoing("b"), outgoing("a")]
        carrier.post(sent)
        with consuming(carrier, "a", "b") as consumer:
            received = receive_all(consumer, 3)
        assert texts(received) == texts(sent)
        assert sorted(it.queue for it in received) == ["a", "a", "b"]

    def test_a_consumer_of_all_queues_but_some(self, carrier: Carrier) -> None:
        sent = [outgoing("a-b"), outgoing("c")]
        carrier.post([*sent, outgoing("left-out")])
        assert carrier.broker.existing(("*",), ("left-out",)) == ["a-b", "c"]
        assert carrier.broker.existing(("a-b",), ()) == ["a-b"]
        consumer = carrier.broker.consumer(("*",), ("left-out",))
        try:
            consumer.find_receivers()
            assert texts(receive_all(consumer, 2)) == texts(sent)
            later = outgoing("appears-later")
            carrier.post([later])
            consumer.find_receivers()
            assert texts(receive_all(consumer, 1)) == [later.text]
        finally:
            consumer.close()

    def test_waiting_ends_when_a_message_comes(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            # The first look creates what is missing.
            receive(consumer, 1, 0)
            sent = outgoing()
            sender = threading.Timer(0.3, carrier.post, [[sent]])
            sender.start()
            started = time.monotonic()
            received = receive(consumer, 1, 10)
            sender.join()
            assert texts(received) == [sent.text]
            assert time.monotonic() - started < 5

    def test_waiting_ends_in_time(self, carrier: Carrier) -> None:
        with consuming(carrier) as consumer:
            receive(consumer, 1, 0)
            started = time.monotonic()
            assert receive(consumer, 1, 1) == []
            assert 0.9 < time.monotonic() - started < 4

    def test_a_delayed_message_waits(self, carrier: Carrier) -> None:
        late, early = outgoing(delay_s=2), outgoing()
        started = time.monotonic()
        carrier.post([late, early])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            assert received.text == early.text
            carrier.done(consumer, received)
            assert texts(receive_all(consumer, 1)) == [late.text]
            assert time.monotonic() - started >= 1.5

    def test_a_received_message_is_hidden(self, carrier: Carrier) -> None:
        carrier.post([outgoing()])
        with consuming(carrier) as consumer, consuming(carrier) as other:
            receive_all(consumer, 1)
            assert receive(other, 10, 0) == []

    def test_a_forgotten_message_comes_again(self, carrier: Carrier) -> None:
        sent = outgoing()
        carrier.post([sent])
        with consuming(carrier) as consumer:
            receive_all(consumer, 1)
        with consuming(carrier) as other:
            received = wait_until(lambda: receive(other, 1, 1), 30, "redelivery")
            assert texts(received) == [sent.text]

    def test_a_done_message_never_comes_again(self, carrier: Carrier) -> None:
        carrier.post([outgoing(), outgoing()])
        with consuming(carrier) as consumer:
            for it in receive_all(consumer, 2):
                carrier.done(consumer, it)
            assert receive(consumer, 10, carrier.longer_s) == []

    def test_given_back_now(self, carrier: Carrier) -> None:
        sent = outgoing()
        carrier.post([sent])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            started = time.monotonic()
            carrier.give_back(consumer, received, 0)
            assert texts(receive_all(consumer, 1)) == [sent.text]
            # Before the time it would have come again by itself.
            assert time.monotonic() - started < carrier.visibility_s

    def test_given_back_for_later(self, carrier: Carrier) -> None:
        carrier.post([outgoing()])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            started = time.monotonic()
            carrier.give_back(consumer, received, carrier.longer_s)
            receive_all(consumer, 1)
            least_s = (carrier.visibility_s + carrier.longer_s) / 2
            assert time.monotonic() - started > least_s

    def test_each_message_goes_to_one_of_many(self, carrier: Carrier) -> None:
        sent = [outgoing() for _ in range(40)]
        carrier.post(sent)
        received: list[Delivery] = []

        def work() -> None:
            with consuming(carrier) as consumer:
                while len(received) < len(sent):
                    for it in receive(consumer, 3, 0.2):
                        carrier.done(consumer, it)
                        received.append(it)
                    if time.monotonic() > deadline:
                        return

        deadline = time.monotonic() + 30
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert texts(received) == texts(sent)

    def test_one_thread_sends_what_another_receives(self, carrier: Carrier) -> None:
        sent = [outgoing() for _ in range(8)]
        threads = [threading.Thread(target=carrier.post, args=[[it]]) for it in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 8)) == texts(sent)

    def test_every_printable_character_travels(self, carrier: Carrier) -> None:
        sent = outgoing(text="".join(map(chr, range(32, 127))))
        carrier.post([sent])
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 1)) == [sent.text]

    def test_a_large_message_travels(self, carrier: Carrier) -> None:
        sent = outgoing(text="x" * 1_000_000)
        carrier.post([sent])
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 1)) == [sent.text]
