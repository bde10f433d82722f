"""The broker ``sqs``, on two servers of SQS's likeness."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest

from nereid_async.brokers.sqs import SqsBroker
from nereid_async.errors import RequestRefused, TransportUnavailable
from nereid_async.settings import Settings
from nereid_async.sqs.client import Sqs
from tests.contract.broker_suite import consuming, receive, receive_all, texts
from tests.contract.carriers import Carrier, QueueCarrier, outgoing, sqs_carrier
from tests.contract.queue_suite import QueueSuite
from tests.fixtures.services import numbers, sqs_client, sqs_settings


@pytest.fixture
def carrier(sqs_endpoint: str) -> Carrier:
    return sqs_carrier(sqs_endpoint)


@pytest.fixture
def boto_client(sqs_endpoint: str) -> Any:
    return sqs_client(sqs_endpoint)


@pytest.fixture
def prefix(carrier: Carrier) -> str:
    assert isinstance(carrier, QueueCarrier)
    return carrier.queue_prefix


class TestSqsBroker(QueueSuite):
    """All of the contract, and what is SQS's own."""

    def test_queues_keep_messages_for_14_days(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        carrier.post([outgoing()])
        url = boto_client.get_queue_url(QueueName=f"{prefix}-shop-q")["QueueUrl"]
        attributes = boto_client.get_queue_attributes(
            QueueUrl=url, AttributeNames=["MessageRetentionPeriod"]
        )["Attributes"]
        assert attributes == {"MessageRetentionPeriod": "1209600"}

    def test_queues_can_be_made_before_they_are_needed(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        carrier.broker.prepare(["q"])
        made = boto_client.get_queue_url(QueueName=f"{prefix}-shop-q")["QueueUrl"]
        # Once is enough, and what is there is left alone.
        sent = outgoing()
        carrier.post([sent])
        carrier.broker.prepare(["q"])
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 1)) == [sent.text]
        assert (
            boto_client.get_queue_url(QueueName=f"{prefix}-shop-q")["QueueUrl"] == made
        )

    def test_all_queues_are_those_of_tasks_that_exist(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        carrier.post([outgoing("trytond-async"), outgoing("a-b"), outgoing("gone")])
        others = ("shop-reply-" + "0" * 36, "shop-x-y", "shop2-q", "shop-a-b")
        for name in others:
            boto_client.create_queue(QueueName=f"{prefix}-{name}")
        broker = carrier.broker
        assert broker.existing(("*",), ()) == ["a-b", "gone", "trytond-async"]
        consumer = broker.consumer(("*",))
        consumer.find_receivers()
        before = list(consumer.receivers)
        url = boto_client.get_queue_url(QueueName=f"{prefix}-shop-gone")["QueueUrl"]
        boto_client.delete_queue(QueueUrl=url)
        # It is not made again.
        (gone,) = [it for it in before if it.name == "gone"]
        assert gone.receive(1, 0) == []
        consumer.find_receivers()
        assert list(consumer.receivers) == [it for it in before if it is not gone]
        consumer.close()

    def test_a_queue_that_is_there_is_taken_as_it_is(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        boto_client.create_queue(
            QueueName=f"{prefix}-shop-q", Attributes={"VisibilityTimeout": "77"}
        )
        carrier.post([outgoing()])
        with consuming(carrier) as consumer:
            receive_all(consumer, 1)

    def test_a_queue_deleted_meanwhile_is_made_again(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        carrier.post([outgoing()])
        url = boto_client.get_queue_url(QueueName=f"{prefix}-shop-q")["QueueUrl"]
        boto_client.delete_queue(QueueUrl=url)
        sent = outgoing()
        carrier.post([sent])
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 1)) == [sent.text]

    def test_attributes_reach_the_queue(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        attributes = {
            "kind": {"DataType": "String", "StringValue": "mail"},
            "image": {"DataType": "Binary", "BinaryValue": b"\x89PNG"},
        }
        carrier.post([outgoing(attributes=attributes)])
        url = boto_client.get_queue_url(QueueName=f"{prefix}-shop-q")["QueueUrl"]
        (message,) = boto_client.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=2
        )["Messages"]
        assert message["MessageAttributes"] == attributes

    def test_dead_letters_wait_in_a_queue_of_their_own(
        self, carrier: Carrier, boto_client: Any, prefix: str
    ) -> None:
        sent = outgoing()
        carrier.post([sent])
        with consuming(carrier) as consumer:
            (received,) = receive_all(consumer, 1)
            consumer.dead_letter(received, "no such task", None)
        url = boto_client.get_queue_url(QueueName=f"{prefix}-shop-q-dead")["QueueUrl"]
        (message,) = boto_client.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=2
        )["Messages"]
        assert message["Body"] == sent.text
        reason = message["MessageAttributes"]["reason"]["StringValue"]
        assert reason == "no such task"

    def test_batches_are_split_by_size(self, carrier: Carrier) -> None:
        sent = [outgoing(text=f"{i}" * 400_000) for i in range(5)]
        carrier.post(sent)
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 5)) == texts(sent)

    def test_one_that_is_refused_does_not_take_others_with_it(
        self, carrier: Carrier
    ) -> None:
        good, bad = [outgoing() for _ in range(12)], outgoing(text="x" * 1_100_000)
        report = carrier.broker.send([*good[:6], bad, *good[6:]])
        assert sorted(report.confirmed) == sorted(it.id for it in good)
        ((unsent, error),) = report.unsent
        assert unsent is bad
        assert isinstance(error, RequestRefused)
        with consuming(carrier) as consumer:
            assert texts(receive_all(consumer, 12)) == texts(good)


def test_nobody_there(nowhere: str) -> None:
    options = numbers(sqs_settings(nowhere))
    settings = Settings(signing_key=(b"k",), send_timeout=0.5, **options)
    broker = SqsBroker("shop", settings)
    report = broker.send([outgoing()])
    assert report.confirmed == []
    assert [type(error) for _, error in report.unsent] == [TransportUnavailable]
    consumer = broker.consumer(["q"])
    with pytest.raises(TransportUnavailable):
        receive(consumer, 1, 0)


class TestRedrivePolicy:
    """A safety net where we make the queue; looked at where somebody else did."""

    @pytest.fixture
    def name(self, prefix: str) -> str:
        return f"{prefix}-shop-q"

    def test_of_a_queue_that_was_made(
        self, carrier: Carrier, boto_client: Any, name: str
    ) -> None:
        carrier.post([outgoing()])
        url = boto_client.get_queue_url(QueueName=name)["QueueUrl"]
        policy = json.loads(
            boto_client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["RedrivePolicy"]
            )["Attributes"]["RedrivePolicy"]
        )
        assert int(policy["maxReceiveCount"]) >= 100
        assert policy["deadLetterTargetArn"].endswith(f":{name}-dead")
        assert carrier.broker.warnings(["q"]) == []

    @pytest.mark.parametrize(("receives", "warned"), [(3, True), (100, False)])
    def test_of_a_queue_that_was_there(
        self, carrier: Carrier, boto_client: Any, name: str, receives: int, warned: bool
    ) -> None:
        dead = boto_client.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
        arn = boto_client.get_queue_attributes(
            QueueUrl=dead, AttributeNames=["QueueArn"]
        )
        policy = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": receives,
        }
        boto_client.create_queue(
            QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)}
        )
        warnings = carrier.broker.warnings(["q"])
        assert bool(warnings) is warned
        for text in warnings:
            assert name in text
            assert "3 receives" in text

    def test_of_a_queue_without_one(
        self, carrier: Carrier, boto_client: Any, name: str
    ) -> None:
        boto_client.create_queue(QueueName=name)
        assert carrier.broker.warnings(["q"]) == []

    def test_of_no_queue(self, carrier: Carrier) -> None:
        assert carrier.broker.warnings(["q"]) == []


def test_an_endpoint_with_a_password_is_in_no_error(nowhere: str) -> None:
    secret, address = "tops3cret-of-this-shop", nowhere.partition("//")[2]
    options = numbers(sqs_settings(f"http://{secret}:{secret}@{address}/"))
    settings = Settings(signing_key=(b"k",), **options)
    with pytest.raises(TransportUnavailable) as caught:
        Sqs(settings, 0.2, 1).url("queue")
    assert address in str(caught.value)
    assert secret not in "".join(traceback.format_exception(caught.value))
