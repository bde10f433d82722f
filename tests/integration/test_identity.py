"""A database knows itself by an identity of its own, not by its name."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from trytond.transaction import Transaction

from devtools.messages import message, signer_of
from devtools.proxy import Call, Proxy, Refusal
from nereid_async import NereidAsync
from nereid_async import runtime as runtimes
from nereid_async.messages.message_codec import MessageCodec
from nereid_async.rows import Row, TaskRows
from nereid_async.rows.database_identity import IDENTITY_TAG, DatabaseIdentity
from nereid_async.rows.identity import Renewal
from nereid_async.runtime import Runtime, of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import command, labels, query, states, wait_until


def renew(database: str, *, drop_waiting: bool = False) -> Runtime:
    """Run the command in a process of its own; what the next process has."""
    runtimes.forget_databases()
    options = ["--drop-waiting"] if drop_waiting else []
    command(database, "identity", "--renew", *options)
    runtimes.forget_databases()
    return of_database(database)


def run_until_done(script: Script) -> None:
    """Run workers, and their relay."""
    runtime = of_database(script.database)
    rows = runtime.rows
    assert rows is not None

    def done() -> bool:
        if not runtime.rows_are_messages:
            Relay(runtime, rows).send_round(0)
        script.burst()
        return set(states(script.database)) == {"done"}

    wait_until(done)


def test_it_is_there_from_the_activation_on(database: str) -> None:
    identity = DatabaseIdentity(database).value
    assert identity == str(uuid.UUID(identity))
    assert DatabaseIdentity(database).value == identity


def test_it_is_made_again_if_it_is_missing(database: str) -> None:
    query(database, "DELETE FROM async_identity")
    identity = DatabaseIdentity(database).value
    assert identity == str(uuid.UUID(identity))
    assert DatabaseIdentity(database).value == identity


def test_a_database_that_was_not_updated_has_none(database: str) -> None:
    query(database, "ALTER TABLE async_identity RENAME TO elsewhere")
    try:
        assert DatabaseIdentity(database).value is None
    finally:
        query(database, "ALTER TABLE elsewhere RENAME TO async_identity")


def test_an_error_that_lasts_is_raised(database: str) -> None:
    query(database, "ALTER TABLE async_identity RENAME uuid TO elsewhere")
    try:
        with pytest.raises(Exception, match="uuid"):
            DatabaseIdentity(database).value  # noqa: B018
    finally:
        query(database, "ALTER TABLE async_identity RENAME elsewhere TO uuid")


@pytest.mark.backends("sqlite")
def test_it_is_read_once_the_database_can_be_read(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is locked while there is no identity yet."""
    query(database, "DELETE FROM async_identity")
    identity = DatabaseIdentity(database)
    with Transaction().start(database, 0) as transaction:
        transaction.connection.cursor().execute("DELETE FROM async_queue")
        assert identity.value is None
    assert "the database's identity is not read" in caplog.text
    assert identity.value


def test_messages_of_other_keys_stay_as_they_are(database: str) -> None:
    codec = MessageCodec([b"the key"], 1_048_576)
    made = message()
    text = MessageCodec([b"another key"], 1_048_576).encode(made)
    TaskRows(database).insert_apart([Row(made, text)], notify=False)
    identity = DatabaseIdentity(database)
    before = identity.value
    assert identity.renew(codec, drop_waiting=False) == Renewal(unreadable=1)
    assert identity.value != before
    assert query(database, "SELECT message FROM async_task") == [(text,)]
    assert identity.renew(codec, drop_waiting=True) == Renewal(dropped=1)
    assert identity.renew(codec, drop_waiting=True) == Renewal()


def test_tasks_that_wait_run_after_a_renewal(script: Script, database: str) -> None:
    before = of_database(database).identity.value
    with script.transaction():
        script.record.write_entry.defer("waits")
        script.record.write_entry.configure(delay=2).defer("waits longer")
    runtime = renew(database)
    assert runtime.identity.value != before
    run_until_done(script)
    assert sorted(labels(database)) == ["waits", "waits longer"]


def test_what_an_open_batch_calls_runs_after_a_renewal(
    script: Script, database: str
) -> None:
    with script.transaction():
        entry = script.record.write_entry
        with NereidAsync.batch("News", then=entry.prepare("then")) as batch:
            entry.defer("member")
    rows = of_database(database).rows
    assert rows is not None
    # A member is left: nobody can end the batch.
    assert rows.end_batch(batch.id, 60.0, lambda text: pytest.fail(text), False) is None
    renew(database)
    run_until_done(script)
    script.burst()
    assert labels(database) == ["member", "then"]


def test_tasks_that_wait_are_forgotten_if_so_asked(
    script: Script, database: str
) -> None:
    with script.transaction():
        script.record.write_entry.defer("before")
    renew(database, drop_waiting=True)
    assert states(database) == []
    with script.transaction():
        script.record.write_entry.defer("after")
    run_until_done(script)
    assert labels(database) == ["after"]


def test_what_has_failed_can_be_retried_after_a_renewal(
    script: Script, database: str, tmp_path: object
) -> None:
    with script.transaction():
        task = script.record.fail_times.configure(max_attempts=1)
        result = task.defer(f"{tmp_path}/attempts", 1)
    script.burst()
    assert states(database) == ["failed"]
    rows = renew(database).rows
    assert rows is not None
    assert states(database) == ["failed"]
    rows.retry_failed([result.id])
    run_until_done(script)


def test_a_process_that_missed_the_renewal(script: Script, database: str) -> None:
    """It writes messages with the old identity, in rows of its own database."""
    stale = of_database(database)
    assert stale.identity.value
    renew(database)
    runtimes.activate(stale)
    try:
        with script.transaction():
            script.record.write_entry.defer("x")
    finally:
        runtimes.deactivate(stale)
    run_until_done(script)
    assert labels(database) == ["x"]


class TestInTheQueue:
    @pytest.fixture
    def broker_settings(self, proxy: Proxy) -> dict[str, str]:
        return sqs_settings(proxy.url)

    @pytest.fixture
    def put(
        self, script: Script, database: str, queue: TaskQueue
    ) -> Callable[..., None]:
        """Puts a message into the queue that is as others would sign it."""

        def put(**changes: Any) -> None:
            ours = script.message_of(lambda: script.record.write_entry.defer("x"))
            codec = of_database(database).codec
            queue.put(codec.encode(replace(ours, **changes)))

        return put

    @pytest.mark.parametrize(
        "theirs", [{"identity": "another"}, {"database": "another", "identity": None}]
    )
    def test_it_gives_back_what_is_anothers(
        self,
        put: Callable[..., None],
        script: Script,
        database: str,
        queue: TaskQueue,
        caplog: pytest.LogCaptureFixture,
        theirs: dict[str, object],
    ) -> None:
        put(**theirs)
        put(**theirs)
        script.burst()
        assert queue.left() == 2
        assert queue.dead() == []
        (told,) = [it for it in caplog.messages if "sqs_queue_prefix" in it]
        assert "'another'" in told
        assert repr(database) in told

    def test_a_message_of_an_earlier_release_runs(
        self, script: Script, database: str, queue: TaskQueue
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("x")
        ((text,),) = query(database, "SELECT message FROM async_task")
        signer = signer_of(database)
        identity = of_database(database).identity.value
        body = signer.unsign(text).replace(f',"identity":"{identity}"', "")
        assert "identity" not in body
        query(database, "UPDATE async_task SET message = %s", signer.sign(body))
        answer = queue.client.receive_message(QueueUrl=queue.url())
        (received,) = answer["Messages"]
        queue.client.delete_message(
            QueueUrl=queue.url(), ReceiptHandle=received["ReceiptHandle"]
        )
        queue.put(signer.sign(body))
        script.burst()
        assert labels(database) == ["x"]

    def test_queues_bear_it(
        self, script: Script, database: str, queue: TaskQueue
    ) -> None:
        script_makes_queues(script)
        identity = of_database(database).identity.value
        prefix = queue.url().rpartition("/")[2].partition("-")[0]
        urls = queue.client.list_queues(QueueNamePrefix=prefix)["QueueUrls"]
        # The task queue, its dead letters, and the reply queue.
        assert len(urls) == 3
        for url in urls:
            tags = queue.client.list_queue_tags(QueueUrl=url)["Tags"]
            assert tags == {IDENTITY_TAG: identity}

    def test_where_tags_are_denied_queues_are_made_without(
        self, script: Script, database: str, queue: TaskQueue, proxy: Proxy
    ) -> None:
        def deny(call: Call) -> Refusal | None:
            tags = call.name == "ListQueueTags" or "tags" in call.parameters
            return Refusal(403, "AccessDenied") if tags else None

        proxy.watch.before = deny
        script_makes_queues(script)
        assert labels(database) == ["x"]
        broker = of_database(database).broker
        assert broker.warnings(["trytond-async"]) == []
        # It is not tried for each reply.
        tried = [call for call in proxy.made if "tags" in call.parameters]
        script_makes_queues(script)
        assert len([it for it in proxy.made if "tags" in it.parameters]) == len(tried)

    def test_queues_made_by_operations_are_not_asked(
        self, script: Script, database: str, tryton_conf: ConfWriter, proxy: Proxy
    ) -> None:
        tryton_conf(sqs_create_queues="no", results="database")
        of_database(database).broker.warnings(["trytond-async"])
        assert proxy.count("ListQueueTags") == 0


def script_makes_queues(script: Script) -> None:
    with script.transaction():
        script.record.write_entry.defer("x")
    script.burst()
