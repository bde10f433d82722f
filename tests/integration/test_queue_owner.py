"""Queues of another AWS account: what cannot be seen there is not made here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devtools.proxy import Call, Proxy, Refusal
from nereid_async.errors import AccessDenied, ConfigurationError, QueueMissing
from nereid_async.runtime import of_database
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_client, sqs_settings
from tests.helpers import states

OWNER = "999988887777"

pytestmark = pytest.mark.backends("sqlite")


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return {**sqs_settings(proxy.url), "sqs_queue_owner": OWNER}


@pytest.fixture
def make_there(
    ministack: str, broker_settings: dict[str, str], database: str
) -> Callable[..., None]:
    """Makes queues in the other account, which ours may use."""
    # The server takes such a key for the number of an account.
    client = sqs_client(ministack, access_key=OWNER)
    name = f"{broker_settings['sqs_queue_prefix']}-{database}-trytond-async"

    def make(*ends: str) -> None:
        for end in ends:
            client.create_queue(QueueName=name + end)

    return make


def deny_the_other_account(call: Call) -> Refusal | None:
    """What AWS says of a queue that is there, by its policy."""
    foreign = call.parameters.get("QueueOwnerAWSAccountId") == OWNER
    return Refusal(403, "AccessDenied") if foreign else None


@pytest.mark.parametrize("denied", [False, True])
def test_a_queue_that_cannot_be_seen_is_named_and_not_made(
    script: Script, proxy: Proxy, caplog: pytest.LogCaptureFixture, denied: bool
) -> None:
    if denied:
        proxy.watch.before = deny_the_other_account
    for _ in range(2):
        with script.transaction():
            script.record.write_entry.defer("x")
    assert states(script.database) == ["pending"] * 2
    (line,) = [it.getMessage() for it in caplog.records if OWNER in it.getMessage()]
    name = f"{script.database}-trytond-async of account {OWNER}"
    assert name in line
    broker = of_database(script.database).broker
    consumer = broker.consumer(["trytond-async"])
    with pytest.raises(AccessDenied if denied else QueueMissing, match=name):
        consumer.receivers[0].receive(1, 0)
    # At a worker's start this is the end.
    with pytest.raises(ConfigurationError, match=name):
        broker.prepare(["trytond-async"])
    assert proxy.count("CreateQueue") == 0


def test_its_dead_letter_queue_has_to_be_there_as_well(
    script: Script, proxy: Proxy, make_there: Callable[..., None]
) -> None:
    make_there("")
    broker = of_database(script.database).broker
    with pytest.raises(ConfigurationError, match=f"-dead of account {OWNER}"):
        broker.prepare(["trytond-async"])
    assert proxy.count("CreateQueue") == 0


@pytest.mark.parametrize("outbox", ["yes", "no"])
def test_replies_are_looked_for_where_they_are_made(
    script: Script,
    proxy: Proxy,
    make_there: Callable[..., None],
    tryton_conf: ConfWriter,
    outbox: str,
) -> None:
    """AWS makes queues in the caller's own account only."""
    tryton_conf(outbox=outbox)
    make_there("", "-dead")
    of_database(script.database).broker.prepare(["trytond-async"])
    proxy.made.clear()
    assert script.value_of(lambda: script.record.echo.defer("x")) == "x"
    assert {call.name for call in proxy.made} >= {"SendMessageBatch", "CreateQueue"}
    about_replies = [call for call in proxy.made if "-reply-" in call.queue]
    assert "ReceiveMessage" in {call.name for call in about_replies}
    assert {call.name for call in proxy.made if call not in about_replies} == {
        "GetQueueUrl",
        "SendMessageBatch",
        "ReceiveMessage",
        "DeleteMessageBatch",
    }
