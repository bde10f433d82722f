"""The frequent calls, made without boto3: answers, errors and attempts are the same."""

from __future__ import annotations

import datetime as dt
import gc
import uuid
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from moto import mock_aws

from devtools.proxy import Call, Proxy, Refusal
from nereid_async.errors import QueueMissing, TransportUnavailable
from nereid_async.settings import Settings
from nereid_async.sqs.client import Sqs
from tests.fixtures.services import numbers, sqs_client, sqs_settings
from tests.helpers import wait_until

ATTRIBUTES = {
    "kind": {"DataType": "String", "StringValue": "mail"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


def connected(endpoint: str, attempts: int = 1) -> tuple[Sqs, str]:
    """A client that has made its first call, and the URL of a queue."""
    settings = Settings(signing_key=(b"k",), **numbers(sqs_settings(endpoint)))
    sqs = Sqs(settings, 5, attempts)
    return sqs, sqs.create(f"direct-{uuid.uuid4().hex}", {}, {})


def self_signed(folder: Path) -> Path:
    """A file with a key, and a certificate of 127.0.0.1 that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    both = folder / "both.pem"
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(key.private_bytes(*form) + pem)
    return both


def send(sqs: Sqs, url: str) -> dict[str, Any]:
    entry = {"Id": "0", "MessageBody": "straße ☂", "MessageAttributes": ATTRIBUTES}
    return sqs.call("send_message_batch", QueueUrl=url, Entries=[entry])


def receive(sqs: Sqs, url: str) -> list[dict[str, Any]]:
    answer = sqs.call("receive_message", QueueUrl=url, MessageAttributeNames=["All"])
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def test_answers_are_those_of_boto3(sqs_endpoint: str) -> None:
    sqs, url = connected(sqs_endpoint)
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


def test_the_first_call_is_boto3s_and_the_frequent_ones_are_not(proxy: Proxy) -> None:
    sqs, url = connected(proxy.url)
    send(sqs, url)
    (message,) = receive(sqs, url)
    entries = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
    sqs.call("delete_message_batch", QueueUrl=url, Entries=entries)
    assert [(call.name, call.of_boto3) for call in proxy.made] == [
        ("CreateQueue", True),
        ("SendMessageBatch", False),
        ("ReceiveMessage", False),
        ("DeleteMessageBatch", False),
    ]


def test_a_service_that_goes_away_and_comes_back(proxy: Proxy) -> None:
    sqs, url = connected(proxy.url)
    send(sqs, url)
    proxy.down = True
    with pytest.raises(TransportUnavailable):
        send(sqs, url)
    proxy.down = False
    send(sqs, url)


def test_a_connection_that_was_closed_while_idle_is_not_used(proxy: Proxy) -> None:
    sqs, url = connected(proxy.url)
    send(sqs, url)
    proxy.close_connections()
    wait_until(lambda: not proxy.connections)
    send(sqs, url)
    assert proxy.count("SendMessageBatch") == 2
    sqs.close()
    wait_until(lambda: not proxy.connections)


def test_a_client_that_is_not_closed_closes_its_connections(proxy: Proxy) -> None:
    sqs, url = connected(proxy.url)
    send(sqs, url)
    assert proxy.connections
    del sqs
    gc.collect()
    wait_until(lambda: not proxy.connections)


def test_connections_set_up_in_a_special_way_are_left_to_boto3(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy is given the whole URL, which this one passes on.
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "")
    sqs, url = connected(proxy.url)
    send(sqs, url)
    assert all(call.of_boto3 for call in proxy.made)
    assert proxy.count("SendMessageBatch") == 1


def test_certificates_of_ones_own_are_left_to_boto3(
    ministack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(ministack, self_signed(tmp_path)).running() as proxy:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
        sqs, url = connected(proxy.url)
        send(sqs, url)
        assert [(call.name, call.of_boto3) for call in proxy.made] == [
            ("CreateQueue", True),
            ("SendMessageBatch", True),
        ]


@mock_aws
def test_a_mock_of_aws_is_not_bypassed() -> None:
    sqs, url = connected("")
    # A call that went by it would reach no server.
    send(sqs, url)
    assert len(receive(sqs, url)) == 1
