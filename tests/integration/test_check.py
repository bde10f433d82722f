"""``check`` says what a worker lacks, before it is started.

What it prints of each case stands in the documentation.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.databases import PROJECT
from devtools.proxy import Call, Proxy, Refusal
from devtools.servers import PostgreSQL
from devtools.tryton_conf import remove_option
from nereid_async.runtime import of_database
from nereid_async.sqs.queue_names import QueueNames
from nereid_async.tryton_config import config
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import NO_KEYS, sqs_client, sqs_settings
from tests.helpers import command, query
from tests.marks import ONE_BROKER, ONE_DATABASE, once
from tests.unit.test_versions import pretend_installed


def assert_documented(output: str, database: str, *texts: str) -> None:
    """Assert that the lines with these texts stand in the documentation.

    There the database is called shop, and its queues have no prefix.
    """
    (page,) = (PROJECT / "docs").rglob("operations.rst")
    documented = " ".join(page.read_text().split())
    lines = [it for it in output.splitlines() if any(text in it for text in texts)]
    assert lines, output
    for line in lines:
        line = re.sub(rf"\bt[0-9a-f]{{8}}-{database}\b", "shop", line)
        line = re.sub(rf"\b{database}\b", "shop", line)
        line = re.sub(r"(?<=')/\S*/", "/srv/", re.sub(r"port \d+", "port 5432", line))
        assert " ".join(line.split()) in documented


def denied(call: str) -> Refusal:
    """What AWS says where a policy does not allow a call."""
    text = "User: arn:aws:iam::123456789012:user/shop is not authorized to perform: "
    return Refusal(403, "AccessDenied", f"{text}sqs:{call.lower()}")


def refuse(proxy: Proxy, refusal: Refusal, only: str = "") -> None:
    """Refuse all calls, or those of one name."""

    def before(call: Call) -> Refusal | None:
        return refusal if call.name == (only or call.name) else None

    proxy.watch.before = before


@ONE_BROKER
def test_all_is_well(script: Script, database: str) -> None:
    output = command(database, "check")
    assert SECRET_KEY not in output
    (key,) = [it for it in output.splitlines() if it.startswith("signing_key")]
    assert "***" in key and "trytond.conf [async_sqs]" in key
    assert f"{database} is reachable, the module activated" in output
    assert_documented(output, database, "database:", "clock:", "broker: ", "web app:")
    told = json.loads(command(database, "check", "--json"))
    assert {it["what"]: it["status"] for it in told["findings"]} == {
        "database": "ok",
        "clock": "ok",
        "broker": "ok",
        "web app": "warning",
    }
    places = {it["name"]: it["from"] for it in told["settings"]}
    assert places["max_attempts"] == "default"
    values = {it["name"]: it["value"] for it in told["settings"]}
    assert (values["max_attempts"], values["outbox"]) == (5, True)
    assert (values["time_limit"], values["signing_key"]) == (None, "***")
    assert re.search(r"^outbox +yes +", output, re.M)


@once
def test_what_is_left_of_the_old_module(
    script: Script, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = "[trytond.modules]\nasync_sqs = trytond.modules.async_sqs\n"
    pretend_installed(tmp_path, "openlabs_async_sqs", "3.2.0.1", entry_points)
    monkeypatch.syspath_prepend(tmp_path)
    config.add_section("options")
    config.set("options", "sqs_region", "eu-central-1")
    remove_option("async_sqs", "broker")
    try:
        output = command(database, "check")
    finally:
        config.remove_section("options")
    assert_documented(output, database, "packages:", "broker: ")
    assert "sqs_region in trytond.conf's section [options]: set" in output


@once
def test_a_database_that_is_not_there(script: Script) -> None:
    output = command("no_such_database", "check", exit_code=1)
    assert "database:  error: " in output
    assert "clock:" not in output
    assert_documented(output, "no_such_database", "database: ")


@ONE_BROKER
@pytest.mark.backends("postgresql")
def test_a_database_that_is_down(
    script: Script, database: str, server: PostgreSQL
) -> None:
    server.process.stop()
    output = command(database, "check", exit_code=1)
    assert "clock:" not in output
    assert_documented(output, database, "database:  error")


@once
def test_the_module_is_not_activated(script: Script, fresh_database: str) -> None:
    from trytond.cache import Cache
    from trytond.pool import Pool

    query(
        fresh_database,
        "UPDATE ir_module SET state = 'not activated' WHERE name LIKE 'async_%%'",
    )
    Pool.stop(fresh_database)
    Cache.drop(fresh_database)
    output = command(fresh_database, "check", exit_code=1)
    assert "database:  error: " in output
    assert_documented(output, fresh_database, "database: ")


@once
def test_a_clock_that_is_wrong(
    script: Script, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 90.2)
    assert_documented(command(database, "check"), database, "clock: ")


@ONE_DATABASE
@pytest.mark.parametrize(
    "settings",
    [
        {"signing_key": SECRET_KEY, "visibility_timeout": "soon"},
        {"signing_key": SECRET_KEY, "visbility_timeout": "30"},
    ],
    ids=["ill-typed", "unknown"],
)
def test_settings_that_cannot_be_read(
    tryton_conf: ConfWriter, database: str, settings: dict[str, str]
) -> None:
    tryton_conf(**settings)
    output = command(database, "check", exit_code=1)
    (line,) = output.splitlines()
    assert_documented(output, database, line)


@ONE_DATABASE
def test_a_missing_key_is_told_beside_the_rest(
    tryton_conf: ConfWriter, database: str
) -> None:
    tryton_conf()
    output = command(database, "check", exit_code=1)
    assert_documented(output, database, "key: ", "database: ")


@ONE_DATABASE
def test_the_region_is_missing(
    tryton_conf: ConfWriter, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    keys = {"sqs_access_key": "access", "sqs_secret_key": "secret"}
    tryton_conf(signing_key=SECRET_KEY, broker="sqs", **keys)
    output = command(database, "check", exit_code=1)
    assert "You must specify a region. Set sqs_region, or AWS_DEFAULT" in output


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
        output = command(database, "check")
        assert_documented(output, database, "sqs: a worker may work on queue")

    def test_a_queue_of_the_other_kind(
        self, _conf: None, database: str, proxy: Proxy
    ) -> None:
        """AWS tells them by their names; servers of its likeness do not."""
        runtime = of_database(database)
        name = QueueNames(database, runtime.settings).task("other.fifo")
        sqs_client(proxy.url).create_queue(
            QueueName=name, Attributes={"FifoQueue": "false"}
        )
        told = command(database, "check", "--queue", "other.fifo", exit_code=1)
        assert f"broker:    error: queue {name} is a standard queue" in told
        assert "may work on queue other.fifo" not in told

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
        refuse(proxy, denied(call), call)
        output = command(database, "check", exit_code=1)
        assert f"the right sqs:{right} on queue" in output
        if call == "ReceiveMessage":
            assert_documented(output, database, "broker:    error")
        assert output.count("broker:    error") == 1

    def test_credentials_that_sqs_does_not_know(
        self, sent: None, database: str, proxy: Proxy
    ) -> None:
        text = "The security token included in the request is invalid."
        refuse(proxy, Refusal(403, "InvalidClientTokenId", text))
        output = command(database, "check", exit_code=1)
        assert output.count("broker:") == 1
        assert_documented(output, database, "broker: ")

    def test_no_credentials(
        self,
        tryton_conf: ConfWriter,
        database: str,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings = sqs_settings(proxy.url)
        settings |= {"sqs_access_key": "", "sqs_secret_key": ""}
        for name, value in NO_KEYS.items():
            monkeypatch.setenv(name, value)
        tryton_conf(signing_key=SECRET_KEY, **settings)
        output = command(database, "check", exit_code=1)
        assert_documented(output, database, "broker: ")

    def test_a_queue_may_not_be_created(self, database: str, proxy: Proxy) -> None:
        refuse(proxy, denied("CreateQueue"), "CreateQueue")
        output = command(database, "check", exit_code=1)
        assert_documented(output, database, "error: ", "dead letters: ", "reply queues")

    def test_a_queue_that_may_be_created_is_not(
        self, database: str, proxy: Proxy
    ) -> None:
        assert "does not exist yet, and may be created" in command(database, "check")
        assert proxy.count("GetQueueUrl") == 2
        assert "does not exist yet" in command(database, "check")

    def test_a_queue_is_missing(
        self, tryton_conf: ConfWriter, database: str, proxy: Proxy
    ) -> None:
        settings = {**sqs_settings(proxy.url), "sqs_create_queues": "no"}
        tryton_conf(signing_key=SECRET_KEY, results="database", **settings)
        output = command(database, "check", "--queue", "other", exit_code=1)
        assert_documented(output, database, "error: ", "dead letters: ")
