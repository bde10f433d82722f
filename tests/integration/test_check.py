"""``check`` says what a worker lacks, before it is started."""

from __future__ import annotations

import json

import pytest

from devtools.apps import SECRET_KEY
from devtools.proxy import Proxy
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import command
from tests.marks import ONE_BROKER, ONE_DATABASE, once


@ONE_BROKER
def test_all_is_well(script: Script, database: str) -> None:
    output = command(database, "check")
    assert SECRET_KEY not in output
    (key,) = [it for it in output.splitlines() if it.startswith("signing_key")]
    assert "***" in key and "section [async_sqs]" in key
    assert f"{database} is reachable, the module activated" in output
    told = json.loads(command(database, "check", "--json"))
    assert {it["what"]: it["status"] for it in told["findings"]} == {
        "database": "ok",
        "clock": "ok",
        "broker": "ok",
        "web app": "warning",
    }
    places = {it["name"]: it["from"] for it in told["settings"]}
    assert places["max_attempts"] == "default"


@once
def test_a_database_that_is_not_there(script: Script) -> None:
    output = command("no_such_database", "check", exit_code=1)
    assert "database:  error: " in output
    assert "no_such_database" in output


@ONE_DATABASE
class TestOnSqs:
    @pytest.fixture(autouse=True)
    def _conf(self, tryton_conf: ConfWriter, proxy: Proxy, database: str) -> None:
        tryton_conf(signing_key=SECRET_KEY, **sqs_settings(proxy.url))

    @pytest.fixture
    def sent(self, _conf: None, database: str) -> None:
        """There are queues, and one message in them."""
        script = Script(database)
        with script.transaction():
            script.record.write_entry.defer("x")

    def test_all_rights_are_there(
        self, sent: None, database: str, proxy: Proxy
    ) -> None:
        assert "sqs: a worker may work on queue" in command(database, "check")

    @pytest.mark.parametrize(
        ("call", "right"),
        [
            ("GetQueueUrl", "GetQueueUrl"),
            ("SendMessageBatch", "SendMessage"),
            ("ReceiveMessage", "ReceiveMessage"),
            ("DeleteMessage", "DeleteMessage"),
            ("ChangeMessageVisibility", "ChangeMessageVisibility"),
        ],
    )
    def test_a_missing_right_is_named(
        self, sent: None, database: str, proxy: Proxy, call: str, right: str
    ) -> None:
        proxy.refuse("AccessDenied", 403, only=call)
        output = command(database, "check", exit_code=1)
        assert f"the right sqs:{right} on queue" in output
        assert output.count("is missing") == 1

    def test_credentials_that_sqs_does_not_know(
        self, sent: None, database: str, proxy: Proxy
    ) -> None:
        proxy.refuse("InvalidClientTokenId", 403)
        output = command(database, "check", exit_code=1)
        assert output.count("broker:") == 1
        assert "Check the credentials" in output

    def test_a_queue_is_missing(
        self, tryton_conf: ConfWriter, database: str, proxy: Proxy
    ) -> None:
        settings = {**sqs_settings(proxy.url), "sqs_create_queues": "no"}
        tryton_conf(signing_key=SECRET_KEY, results="database", **settings)
        output = command(database, "check", "--queue", "other", exit_code=1)
        assert f"{database}-other does not exist" in output
