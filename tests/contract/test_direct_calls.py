"""The frequent calls, made without boto3: answers, errors and attempts are the same."""

from __future__ import annotations

import gc
import socket
import uuid
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from devtools.proxy import Call, Proxy, Refusal
from nereid_async.errors import QueueMissing, TransportError, TransportUnavailable
from nereid_async.settings import Settings
from nereid_async.sqs.client import Sqs
from tests.fixtures.services import numbers, sqs_client, sqs_settings

ATTRIBUTES = {
    "kind": {"DataType": "String", "StringValue": "mail"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


def connected(endpoint: str, attempts: int = 1) -> tuple[Sqs, str]:
    """A client that has made its first call, and the URL of a queue."""
    settings = Settings(signing_key=(b"k",), **numbers(sqs_settings(endpoint)))
    sqs = Sqs(settings, 5, attempts)
    return sqs, sqs.create(f"direct-{uuid.uuid4().hex}", {}, {})


def direct(sqs: Sqs) -> bool:
    """Whether frequent calls are made directly."""
    assert sqs._client is not None
    return "receive_message" in sqs._client.direct


def send(sqs: Sqs, url: str) -> dict[str, Any]:
    entry = {"Id": "0", "MessageBody": "straße ☂", "MessageAttributes": ATTRIBUTES}
    return sqs.call("send_message_batch", QueueUrl=url, Entries=[entry])


def receive(sqs: Sqs, url: str) -> list[dict[str, Any]]:
    answer = sqs.call("receive_message", QueueUrl=url, MessageAttributeNames=["All"])
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def test_answers_are_those_of_boto3(sqs_endpoint: str) -> None:
    sqs, url = connected(sqs_endpoint)
    # The lowest botocore speaks an older protocol, which is left to boto3.
    model = sqs_client(sqs_endpoint).meta.service_model
    assert direct(sqs) is (model.protocol == "json")
    assert [it["Id"] for it in send(sqs, url)["Successful"]] == ["0"]
    (message,) = receive(sqs, url)
    assert message["Body"] == "straße ☂"
    assert message["MessageAttributes"] == ATTRIBUTES
    entries = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
    answer = sqs.call("delete_message_batch", QueueUrl=url, Entries=entries)
    assert [it["Id"] for it in answer["Successful"]] == ["a"]
    counted = sqs_client(sqs_endpoint).get_queue_attributes(
        QueueUrl=url, AttributeNames=["All"]
    )["Attributes"]
    assert counted["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_errors_are_those_of_boto3(sqs_endpoint: str) -> None:
    sqs, url = connected(sqs_endpoint)
    with pytest.raises(QueueMissing):
        receive(sqs, f"{url}-gone")


@pytest.mark.parametrize("attempts", [1, 3])
def test_boto3_makes_the_further_attempts(proxy: Proxy, attempts: int) -> None:
    sqs, url = connected(proxy.url, attempts)
    left = [1]

    def refuse_one(call: Call) -> Refusal | None:
        if call.name != "SendMessageBatch" or not left[0]:
            return None
        left[0] -= 1
        return Refusal(503, "ServiceUnavailable")

    proxy.watch.before = refuse_one
    if attempts == 1:
        with pytest.raises(TransportUnavailable, match="ServiceUnavailable"):
            send(sqs, url)
    else:
        send(sqs, url)
    made = [call.name for call in proxy.made].count("SendMessageBatch")
    assert made == (1 if attempts == 1 else 2)


def test_a_service_that_goes_away_and_comes_back(proxy: Proxy) -> None:
    sqs, url = connected(proxy.url)
    send(sqs, url)
    proxy.down = True
    with pytest.raises(TransportUnavailable):
        send(sqs, url)
    proxy.down = False
    send(sqs, url)
    assert sqs._client is not None
    (kept,) = sqs._client.direct._idle
    # As when the other side has closed it while it was idle.
    kept.sock.shutdown(socket.SHUT_RD)
    send(sqs, url)
    assert kept not in sqs._client.direct._idle
    (kept,) = sqs._client.direct._idle
    sqs.close()
    assert kept.sock is None


def test_a_client_that_is_not_closed_closes_its_connections(ministack: str) -> None:
    sqs, url = connected(ministack)
    send(sqs, url)
    assert sqs._client is not None
    (kept,) = sqs._client.direct._idle
    del sqs
    gc.collect()
    assert kept.sock is None


def test_connections_set_up_in_a_special_way_are_left_to_boto3(
    ministack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", ministack)
    monkeypatch.setenv("NO_PROXY", "")
    sqs, url = connected(ministack)
    assert not direct(sqs)
    send(sqs, url)


def test_certificates_of_ones_own_are_left_to_boto3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    settings = Settings(signing_key=(b"k",), **numbers(sqs_settings("https://[::1]:1")))
    sqs = Sqs(settings, 1, 1)
    with pytest.raises(TransportError):
        sqs.url("queue")
    assert sqs._client is not None
    assert sqs._client.direct._last is None


@mock_aws
def test_a_mock_of_aws_is_not_bypassed() -> None:
    sqs, url = connected("")
    assert not direct(sqs)
    send(sqs, url)
    assert len(receive(sqs, url)) == 1
