"""A bad item hurts itself only: its failure is told, and all others run."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from trytond import backend

from devtools.apps import SECRET_KEY
from devtools.proxy import Call, Proxy, Refusal, as_aws
from nereid_async.errors import DatabaseUnavailable
from nereid_async.runtime import of_database
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import intake, labels, query, states, wait_until

ODDITIES = ["characters", "large", "mute"]


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    """SQS only: with the rows as messages there is nothing to be put aside."""
    proxy.watch.before = as_aws
    return sqs_settings(proxy.url)


@pytest.fixture
def refuse_dead_letters(proxy: Proxy) -> Callable[[str, int], None]:
    """Refuses from now on what is sent to the dead letters."""

    def refuse(code: str, status: int) -> None:
        refusal = Refusal(status, code)
        proxy.watch.before = lambda call: refusal if _to_the_dead(call) else None

    return refuse


def _to_the_dead(call: Call) -> bool:
    return call.name == "SendMessage" and call.queue.endswith("-dead")


def failures(database: str) -> list[dict[str, str]]:
    rows = query(database, "SELECT error FROM async_task WHERE state = 'failed'")
    return [json.loads(error) for (error,) in rows]


@pytest.mark.parametrize("how", ODDITIES)
def test_an_odd_failure_is_told_everywhere(
    script: Script, database: str, queue: TaskQueue, how: str
) -> None:
    with script.transaction():
        result = script.record.fail_oddly.defer(how)
        script.record.write_entry.defer("next")
    script.burst()
    assert labels(database) == ["next"]
    assert queue.left() == 0
    assert len(queue.dead()) == 1
    assert len(queue.replies()) == 2
    kind = "Mute" if how == "mute" else "ValueError"
    (failure,) = failures(database)
    assert failure["type"] == kind
    with script.transaction(), pytest.raises(Exception, match=kind):
        result.get(timeout=5)


def test_a_failed_one_that_comes_again_does_not_take_its_batch_along(
    script: Script, database: str, queue: TaskQueue
) -> None:
    with script.transaction():
        script.record.fail_oddly.defer("characters")
    ((body,),) = query(database, "SELECT message FROM async_task")
    script.burst()
    queue.put(body)
    with script.transaction():
        others = {script.record.write_entry.defer("x").id for _ in range(3)}
    runtime = of_database(database)
    consumer = runtime.broker.consumer((runtime.settings.sqs_queue,))
    try:
        jobs = intake(runtime, consumer).admit(
            consumer.receivers[0].receive(10, 5), at_once=True
        )
    finally:
        consumer.close()
    assert {job.message.id for job in jobs} == others


def test_a_bare_message_as_large_as_they_come_is_put_aside(
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    queue: TaskQueue,
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **broker_settings)
    script = Script(database)
    least = script.message_of(lambda: script.record.fail.defer(""))
    size_bytes = len(of_database(database).codec.encode(least))
    with script.transaction():
        # Its time may be written with two digits more.
        script.record.fail.defer("x" * (1_048_574 - size_bytes))
    (body,) = queue.bodies()
    assert len(body) > 1_048_000
    script.burst()
    assert queue.dead() == [body]
    assert queue.left() == 0


DENIED = [("AccessDenied", 403), ("InvalidMessageContents", 400)]


@pytest.mark.parametrize(("code", "status"), DENIED)
def test_what_cannot_be_put_aside_has_failed_in_its_row(
    script: Script,
    database: str,
    queue: TaskQueue,
    refuse_dead_letters: Callable[[str, int], None],
    caplog: pytest.LogCaptureFixture,
    code: str,
    status: int,
) -> None:
    queue.url("-dead")
    refuse_dead_letters(code, status)
    with script.transaction():
        for _ in range(3):
            script.record.fail.defer("x")
        script.record.write_entry.defer("next")
    script.burst()
    assert labels(database) == ["next"]
    assert sorted(states(database)) == ["done", "failed", "failed", "failed"]
    assert queue.left() == 0
    told = [it for it in caplog.messages if "-dead" in it or code in it]
    assert len([it for it in told if "in its row" in it]) == 1


def test_dead_letters_without_a_queue_and_none_to_be_made(
    script: Script, database: str, queue: TaskQueue, tryton_conf: ConfWriter
) -> None:
    tryton_conf(sqs_create_queues="no", results="database")
    queue.url()
    with script.transaction():
        script.record.fail.defer("x")
    script.burst()
    assert states(database) == ["failed"]
    assert queue.left() == 0


def test_what_has_no_row_is_kept_until_it_can_be_put_aside(
    script: Script,
    database: str,
    queue: TaskQueue,
    refuse_dead_letters: Callable[[str, int], None],
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse_dead_letters("AccessDenied", 403)
    queue.put("garbage")
    with script.transaction():
        script.record.write_entry.defer("next")
    script.burst()
    assert labels(database) == ["next"]
    assert queue.left() == 1
    assert "AccessDenied" in caplog.text
    proxy.watch.before = as_aws

    def put_aside() -> bool:
        script.burst()
        return queue.dead() == ["garbage"]

    wait_until(put_aside)
    assert queue.left() == 0


def test_the_bare_mode_keeps_what_cannot_be_put_aside(
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    queue: TaskQueue,
    refuse_dead_letters: Callable[[str, int], None],
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **broker_settings)
    script = Script(database)
    refuse_dead_letters("AccessDenied", 403)
    with script.transaction():
        script.record.fail.defer("x")
        script.record.write_entry.defer("next")
    script.burst()
    assert labels(database) == ["next"]
    assert queue.left() == 1


def test_a_passing_error_leaves_it_to_come_again(
    script: Script,
    database: str,
    queue: TaskQueue,
    refuse_dead_letters: Callable[[str, int], None],
    proxy: Proxy,
    tryton_conf: ConfWriter,
) -> None:
    tryton_conf(visibility_timeout=1)
    refuse_dead_letters("ServiceUnavailable", 503)
    with script.transaction():
        script.record.fail.defer("x")
    script.burst()
    assert states(database) == ["failed"]
    assert queue.left() == 1
    proxy.watch.before = as_aws

    def put_aside() -> bool:
        script.burst()
        return len(queue.dead()) == 1

    wait_until(put_aside)
    assert queue.left() == 0


def test_a_reply_that_does_not_fit_is_in_the_row(
    script: Script,
    database: str,
    queue: TaskQueue,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = Refusal(400, "InvalidParameterValue")
    proxy.watch.before = lambda call: (
        refusal if call.name == "SendMessage" and "-reply-" in call.queue else None
    )
    with script.transaction():
        result = script.record.write_entry.defer("x")
    script.burst()
    assert queue.left() == 0
    assert "its row has it" in caplog.text
    with script.transaction():
        assert result.get(timeout=5) == "x"


@pytest.mark.backends("postgresql")
def test_a_claim_that_fails_leaves_its_messages_for_later(
    script: Script, database: str, queue: TaskQueue
) -> None:
    """The database is out of something while two messages are claimed."""
    assert backend.name == "postgresql"
    with script.transaction():
        bad = script.record.write_entry.defer("later").id
        script.record.write_entry.defer("now")
    query(
        database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.uuid = '{bad}' THEN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; "
        "END IF; RETURN NEW; END $$; CREATE TRIGGER refuse BEFORE INSERT ON async_run "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    runtime = of_database(database)
    consumer = runtime.broker.consumer((runtime.settings.sqs_queue,))
    try:
        received = consumer.receivers[0].receive(10, 5)
        assert len(received) == 2
        with pytest.raises(DatabaseUnavailable, match="full"):
            intake(runtime, consumer).admit(received, at_once=False)
        assert not {"running", "failed"} & set(states(database))
        query(database, "DROP FUNCTION refuse CASCADE")
        again = wait_until(lambda: consumer.receivers[0].receive(10, 1))
        assert intake(runtime, consumer).admit(again, at_once=False)
    finally:
        consumer.close()
        query(database, "DROP FUNCTION IF EXISTS refuse CASCADE")
