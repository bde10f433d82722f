"""What each kind of AWS error does: the table in docs/reference/aws.rst."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.browser import Browser
from devtools.proxy import Call, Proxy, Refusal
from devtools.workers import burst
from nereid_async.errors import (
    AccessDenied,
    ConfigurationError,
    QueueMissing,
    TransportUnavailable,
)
from nereid_async.runtime import of_database
from nereid_async.settings import load
from nereid_async.sqs.client import Sqs
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import app_config, sqs_client, sqs_settings
from tests.helpers import labels, states, wait_until
from tests.marks import ONE_DATABASE

#: How AWS says that it cannot just now.
PASSING = [
    ("InternalError", 500),
    ("ServiceUnavailable", 503),
    ("ThrottlingException", 400),
    ("RequestThrottled", 403),
    ("ExpiredToken", 403),
]


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return sqs_settings(proxy.url)


@pytest.fixture
def visitor(app: Any) -> Browser:
    return Browser(app)


def relay_now(database: str) -> int:
    """Send what is unsent, without patience."""
    runtime = of_database(database)
    assert runtime.rows is not None
    return len(Relay(runtime, runtime.rows).send_round(0).confirmed)


def create_queues(settings: dict[str, str], database: str) -> None:
    """Make the queues as operations do."""
    client = sqs_client(settings["sqs_endpoint_url"])
    name = f"{settings['sqs_queue_prefix']}-{database}-trytond-async"
    for queue in (name, f"{name}-dead"):
        client.create_queue(QueueName=queue)


# Passing errors.


@ONE_DATABASE
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_a_request_goes_on_and_its_task_runs_later(
    script: Script,
    app: Any,
    visitor: Browser,
    proxy: Proxy,
    database: str,
    code: str,
    status: int,
) -> None:
    proxy.refuse(code, status)
    assert visitor.post("/en/commit").status_code == 200
    assert states(database) == ["pending"]
    proxy.refuse("", only="none")
    assert relay_now(database) == 1
    burst(app)
    assert labels(database) == ["commit"]


@ONE_DATABASE
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_a_worker_goes_on_receiving(
    script: Script, proxy: Proxy, database: str, code: str, status: int
) -> None:
    with script.transaction():
        script.record.write_entry.defer("x")
    left = [4]

    def refuse_some(call: Call) -> Refusal | None:
        if call.name != "ReceiveMessage" or not left[0]:
            return None
        left[0] -= 1
        return Refusal(status, code)

    proxy.watch.before = refuse_some
    script.burst()
    assert left == [0]
    assert labels(database) == ["x"]


@ONE_DATABASE
def test_an_outage_costs_a_few_requests_one_timeout_and_the_others_nothing(
    app_factory: AppFactory, proxy: Proxy
) -> None:
    timeout_s = 1.0
    config = app_config(sqs_settings(proxy.url))
    visitor = Browser(app_factory(**config, ASYNC_SEND_TIMEOUT=timeout_s))
    visitor.post("/en/commit")
    go = threading.Event()

    def hang(call: Call) -> None:
        go.wait(30)

    proxy.watch.before = hang
    times_s = []
    for _ in range(6):
        started_s = time.monotonic()
        assert visitor.post("/en/commit").status_code == 200
        times_s.append(time.monotonic() - started_s)
    go.set()
    # Three failures open the circuit; then nobody waits.
    assert min(times_s[:3]) >= timeout_s
    assert max(times_s[3:]) < timeout_s


# Credentials.


@ONE_DATABASE
def test_renewed_credentials_are_read(
    proxy: Proxy,
    tmp_path: Path,
    tryton_conf: ConfWriter,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(key: str) -> None:
        file.write_text(
            f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n"
        )

    options = sqs_settings(proxy.url)
    del options["sqs_access_key"], options["sqs_secret_key"]
    tryton_conf(signing_key=SECRET_KEY, **options)
    proxy.watch.before = lambda call: (
        Refusal(403, "ExpiredToken") if call.access_key == "OLD" else None
    )
    sqs = Sqs(load(), timeout_s=5, attempts=1)
    write("OLD")
    with pytest.raises(TransportUnavailable, match="ExpiredToken"):
        sqs.call("list_queues")
    write("NEW")
    sqs.call("list_queues")
    assert [call.access_key for call in proxy.made] == ["OLD", "NEW"]


@ONE_DATABASE
def test_no_credentials_at_all_says_where_to_set_them(
    proxy: Proxy,
    tryton_conf: ConfWriter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = sqs_settings(proxy.url)
    del options["sqs_access_key"], options["sqs_secret_key"]
    tryton_conf(signing_key=SECRET_KEY, **options)
    with pytest.raises(AccessDenied, match="sqs_access_key"):
        Sqs(load(), timeout_s=5, attempts=1).call("list_queues")


# Queues.


@ONE_DATABASE
def test_a_missing_queue_is_created(
    script: Script, proxy: Proxy, database: str
) -> None:
    with script.transaction():
        script.record.write_entry.defer("x")
    assert proxy.count("CreateQueue") == 2
    script.burst()
    assert labels(database) == ["x"]


@ONE_DATABASE
def test_a_missing_queue_that_is_not_to_be_created_is_named(
    script: Script,
    proxy: Proxy,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
) -> None:
    tryton_conf(sqs_create_queues="no", results="database")
    with script.transaction():
        script.record.write_entry.defer("x")
    assert states(database) == ["pending"]
    consumer = of_database(database).broker.consumer(["trytond-async"])
    with pytest.raises(QueueMissing, match=r"trytond-async.*sqs_create_queues"):
        consumer.receivers[0].receive(1, 0)
    create_queues(broker_settings, database)
    assert relay_now(database) == 1
    script.burst()
    assert labels(database) == ["x"]


@ONE_DATABASE
def test_denied_to_create_queues(script: Script, proxy: Proxy, database: str) -> None:
    proxy.refuse("AccessDenied", 403, only="CreateQueue")
    with script.transaction():
        script.record.write_entry.defer("x")
    assert states(database) == ["pending"]
    consumer = of_database(database).broker.consumer(["trytond-async"])
    with pytest.raises(AccessDenied, match=r"-dead .* cannot be created"):
        consumer.receivers[0].receive(1, 0)


def test_denied_to_create_reply_queues_the_answer_is_in_the_row(
    app: Any,
    visitor: Browser,
    proxy: Proxy,
    database: str,
    broker_settings: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    create_queues(broker_settings, database)
    proxy.refuse("AccessDenied", 403, only="CreateQueue")
    task = visitor.defer("echo", "x")
    burst(app)
    assert visitor.get(task["url"]).json["result"] == "x"
    assert "reply was not sent; its row has it" in caplog.text
    # Acknowledged: it does not come again.
    received = proxy.count("ReceiveMessage")
    assert proxy.count("DeleteMessageBatch") == 1, received


@ONE_DATABASE
def test_queues_of_operations_need_no_create_list_or_tag(
    app_factory: AppFactory,
    proxy: Proxy,
    database: str,
    broker_settings: dict[str, str],
) -> None:
    create_queues(broker_settings, database)
    proxy.made.clear()
    app = app_factory(
        **app_config(broker_settings),
        ASYNC_SQS_CREATE_QUEUES=False,
        ASYNC_RESULTS="database",
    )
    visitor = Browser(app)
    task = visitor.defer("echo", "x")
    bad = visitor.defer("fail", "x")
    burst(app)
    assert visitor.get(task["url"]).json["result"] == "x"
    assert visitor.get(bad["url"]).json["state"] == "failed"
    assert visitor.delete(task["url"]).status_code == 204
    made = set(proxy.calls)
    assert {"SendMessageBatch", "ReceiveMessage", "SendMessage"} <= made
    assert not [name for name in made if name.startswith(("Create", "List", "Tag"))]


@ONE_DATABASE
def test_reply_queues_cannot_be_made_by_operations(app_factory: AppFactory) -> None:
    with pytest.raises(ConfigurationError, match="results = database"):
        app_factory(ASYNC_BROKER="sqs", ASYNC_SQS_CREATE_QUEUES=False)


# Leases that cannot be extended.


@pytest.mark.parametrize(
    ("code", "status"), [("ReceiptHandleIsInvalid", 400), ("ServiceUnavailable", 503)]
)
def test_without_a_row_a_run_that_lost_its_message_is_rolled_back(
    proxy: Proxy,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    code: str,
    status: int,
) -> None:
    tryton_conf(
        signing_key=SECRET_KEY, outbox="no", visibility_timeout=1, **broker_settings
    )
    script = Script(database)
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        task = script.record.wait_for_file.configure(visibility_timeout=1)
        task.defer(str(started), str(go))
    proxy.refuse(code, status, only="ChangeMessageVisibilityBatch")
    worker = threading.Thread(target=script.burst)
    worker.start()
    wait_until(lambda: proxy.count("ChangeMessageVisibilityBatch") >= 2, 30)
    wait_until(started.exists, 30)
    # The second for which it was received, and could not be held, is over.
    wait_until(lambda: time.time() - started.stat().st_mtime > 1.5, 30)
    go.touch()
    wait_until(lambda: "was not held in time" in caplog.text, 30)
    proxy.refuse("", only="none")
    worker.join(60)
    assert not worker.is_alive()
    assert len(started.read_text().splitlines()) > 1
    assert labels(database) == ["waited"]
