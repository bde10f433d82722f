"""What the queue service refuses holds up nobody else, and is seen in the end."""

from __future__ import annotations

import pytest

from devtools.proxy import Call, Proxy, Refusal
from nereid_async.errors import ConfigurationError
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states
from tests.integration.conftest import SignalLog
from tests.integration.test_relay import ago
from tests.integration.test_relay import relay as a_relay

DAY_S = 86_400
#: As somebody types who means the queue "mail".
TYPO = "maill"


@pytest.fixture
def broker_settings(proxy: Proxy, database: str) -> dict[str, str]:
    """SQS with queues made by operations: the default one."""
    settings = {
        **sqs_settings(proxy.url),
        "sqs_create_queues": "no",
        "results": "database",
    }
    TaskQueue(settings, database).url()
    proxy.made.clear()
    return settings


@pytest.fixture
def relay(script: Script) -> Relay:
    """The relay of a worker."""
    return a_relay(script.database)


def defer(script: Script, queue: str | None, number: int = 1) -> None:
    with script.transaction():
        for n in range(number):
            task = script.record.write_entry.configure(queue=queue)
            task.defer(f"{queue or 'default'} {n}")


def age(database: str, seconds: float, state: str = "pending") -> None:
    """Let rows have been waiting for that long, and be looked at again."""
    query(
        database,
        f"UPDATE async_task SET due_at = {ago(seconds)}, deferred_at = {ago(seconds)}, "
        f"send_at = CASE WHEN send_at IS NULL THEN NULL ELSE {ago(1)} END "
        "WHERE state = %s",
        state,
    )


def pauses_s(database: str) -> list[float]:
    """For how long rows are set back, in seconds from now."""
    from trytond import backend

    seconds = (
        "EXTRACT(EPOCH FROM send_at - clock_timestamp() AT TIME ZONE 'UTC')"
        if backend.name == "postgresql"
        else "(julianday(send_at) - julianday('now')) * 86400.0"
    )
    rows = query(
        database, f"SELECT {seconds} FROM async_task WHERE send_at IS NOT NULL"
    )
    return [float(it) for (it,) in rows]


def test_a_queue_that_does_not_exist_holds_up_nothing_else(
    script: Script, relay: Relay, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    database = script.database
    defer(script, TYPO, 150)
    proxy.down = True
    defer(script, None)
    proxy.down = False
    age(database, 60)
    # Of a run that is over nobody has let go yet.
    rows = of_database(database).rows
    assert rows is not None
    defer(script, "other")
    (other,) = query(database, "SELECT uuid FROM async_task ORDER BY id DESC LIMIT 1")
    assert rows.claim_ids(list(other), 0)
    query(database, "UPDATE async_task SET state = 'done' WHERE uuid = %s", other[0])
    caplog.clear()
    proxy.made.clear()

    relay.go_round()
    assert states(database) == ["pending"] * 150 + ["sent", "done"]
    assert query(database, "SELECT lease_until FROM async_run") == [(None,)]
    # It is told once, with the way out, and asked for once a round of a hundred rows.
    (line,) = [it.getMessage() for it in caplog.records if TYPO in it.getMessage()]
    assert "150 task(s)" in line
    assert "create it, or correct" in line
    assert proxy.count("GetQueueUrl") <= 3

    # Later rounds leave those rows alone, for a while.
    caplog.clear()
    proxy.made.clear()
    relay.go_round()
    assert proxy.calls == []
    assert caplog.records == []
    script.burst()
    assert labels(database) == ["default 0"]


def test_the_older_the_longer_the_pause(script: Script, relay: Relay) -> None:
    defer(script, TYPO)
    for age_s, pause_s in ((0, 10), (600, 300), (5 * 3_600, 3_600)):
        age(script.database, age_s)
        relay.send_round(-1)
        (set_back_s,) = pauses_s(script.database)
        assert pause_s - 5 < set_back_s <= pause_s + 5


def test_when_the_queue_is_there_all_go_at_once(
    script: Script,
    relay: Relay,
    broker_settings: dict[str, str],
    tryton_conf: ConfWriter,
) -> None:
    database = script.database
    defer(script, TYPO, 3)
    age(database, 600)
    relay.send_round(0)
    assert len(pauses_s(database)) == 3
    # The time of one of them has come, when somebody has made the queue.
    query(
        database,
        f"UPDATE async_task SET send_at = {ago(1)} "
        "WHERE id = (SELECT min(id) FROM async_task)",
    )
    name = f"{broker_settings['sqs_queue_prefix']}-{database}-{TYPO}"
    TaskQueue(broker_settings, database).client.create_queue(QueueName=name)
    # Of another process: the breaker of this one is open for some seconds.
    tryton_conf()
    assert len(a_relay(database).send_round(0).confirmed) == 1
    assert len(a_relay(database).send_round(0).confirmed) == 2
    assert states(database) == ["sent"] * 3
    assert pauses_s(database) == []


def test_an_outage_sets_nothing_back(
    script: Script, relay: Relay, proxy: Proxy
) -> None:
    proxy.down = True
    defer(script, None, 12)
    age(script.database, 2 * DAY_S)
    proxy.made.clear()
    relay.go_round()
    # The rest was not asked for in vain.
    assert proxy.count("SendMessageBatch") + proxy.count("GetQueueUrl") == 1
    assert pauses_s(script.database) == []
    proxy.down = False
    relay.go_round()
    assert states(script.database) == ["sent"] * 12


def refuse_task(proxy: Proxy, task_id: str, code: str) -> None:
    """Let the service refuse each batch with the message of a task."""

    def check(call: Call) -> Refusal | None:
        entries = call.parameters.get("Entries", [])
        bad = any(task_id in entry.get("MessageBody", "") for entry in entries)
        return Refusal(400, code) if bad else None

    proxy.watch.before = check


def test_a_message_that_is_refused_takes_no_other_along(
    script: Script, relay: Relay, proxy: Proxy
) -> None:
    with script.transaction():
        defer = script.record.write_entry.defer
        _, bad, _ = (defer(label) for label in ("good 1", "bad", "good 2"))
        refuse_task(proxy, bad.id, "InvalidMessageContents")
    script.burst()
    assert labels(script.database) == ["good 1", "good 2"]
    assert states(script.database) == ["done", "pending", "done"]
    age(script.database, 60)
    relay.send_round(0)
    assert len(pauses_s(script.database)) == 1


def test_what_is_refused_for_a_day_has_failed(
    script: Script,
    relay: Relay,
    signal_log: SignalLog,
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = script.database
    with script.transaction():
        task = script.record.echo.configure(queue=TYPO, ignore_result=False)
        result = task.defer("x")
    age(database, DAY_S + 60)
    # Maybe it waited for something else until now.
    relay.send_round(0)
    assert states(database) == ["pending"]
    age(database, DAY_S + 3_660)
    relay.send_round(0)
    assert states(database) == ["failed"]
    (facts,) = signal_log.facts("task_failed")
    assert facts["message"].id == result.id
    assert type(facts["error"]).__name__ == "QueueMissing"
    with script.transaction(), pytest.raises(Exception, match=TYPO) as raised:
        result.get(timeout=5)
    assert type(raised.value).__name__ == "TaskFailed"
    # What the caller is told names no queue of the service; an administrator sees it.
    ((error, text),) = query(database, "SELECT error, traceback FROM async_task")
    assert "sqs_create_queues" not in error
    assert "sqs_create_queues" in text

    rows = of_database(database).rows
    assert rows is not None
    assert rows.retry_failed([result.id]) == [result.id]
    assert states(database) == ["pending"]
    assert pauses_s(database) == []


def test_what_is_not_answered_never_fails(
    script: Script, relay: Relay, proxy: Proxy
) -> None:
    proxy.refuse("ServiceUnavailable", 503)
    defer(script, None)
    for _ in range(3):
        age(script.database, 3 * DAY_S)
        relay.send_round(0)
    proxy.refuse("QueueDeletedRecently")
    for _ in range(3):
        age(script.database, 3 * DAY_S)
        relay.send_round(0)
    assert states(script.database) == ["pending"]


def test_a_late_message_beats_the_failure(script: Script, relay: Relay) -> None:
    """The service had it after all: the run that has the row keeps it."""
    defer(script, TYPO)
    database = script.database
    age(database, DAY_S + 60)
    relay.send_round(0)
    rows = of_database(database).rows
    assert rows is not None
    ids = [id for (id,) in query(database, "SELECT uuid FROM async_task")]
    assert rows.claim_ids(ids, 60)
    from nereid_async.messages.outcome import Failure

    assert rows.fail_unsent(ids, Failure("QueueMissing", "x"), 60) == []
    rows.set_back(ids)
    rows.mark_sent(ids)
    assert states(database) == ["running"]


def test_requests_that_ask_for_a_bad_queue_cost_those_that_do_not_nothing(
    script: Script, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        defer(script, TYPO)
    # Three tries open the breaker of that queue; and it was told once.
    assert proxy.count("GetQueueUrl") == 3
    assert len([it for it in caplog.records if TYPO in it.getMessage()]) == 1
    for _ in range(2):
        defer(script, None)
    script.burst()
    assert labels(script.database) == ["default 0"] * 2


def test_an_outage_opens_the_breaker_for_all(
    script: Script, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.down = True
    for number in range(6):
        defer(script, TYPO if number % 2 else None)
    assert len(proxy.calls) == 3


def test_a_request_waits_for_one_call_however_much_it_defers(
    script: Script, proxy: Proxy
) -> None:
    proxy.down = True
    defer(script, None, 35)
    assert len(proxy.calls) == 1


def test_a_name_that_is_too_long_for_sqs_holds_up_nothing_else(
    script: Script, tryton_conf: ConfWriter, broker_settings: dict[str, str]
) -> None:
    long = "x" * 75
    with script.transaction(), pytest.raises(ConfigurationError, match=long):
        script.record.write_entry.configure(queue=long).defer("x")
    # One that was deferred when rows were the messages.
    tryton_conf(broker="database")
    defer(script, long)
    defer(script, None)
    tryton_conf(**broker_settings)
    age(script.database, 60)
    a_relay(script.database).go_round()
    assert states(script.database) == ["pending", "sent"]
    assert len(pauses_s(script.database)) == 1
