"""``dead``: an operator looks at dead letters, runs them again, or discards them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.proxy import Proxy, Watch
from nereid_async import retrying
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import command, labels, states
from tests.marks import ONE_DATABASE


@pytest.fixture
def failed(script: Script, tmp_path: Any) -> Any:
    """A task that has failed, and would not a second time."""
    with script.transaction():
        task = script.record.fail_times.configure(max_attempts=1)
        result = task.defer(str(tmp_path / "attempts"), 1)
    script.burst()
    return result


def relayed(database: str) -> None:
    """Let the relay of a worker send now what waits, if it is to be sent."""
    runtime = of_database(database)
    if not runtime.rows_are_messages:
        Relay(runtime, runtime.needed_rows).send_round(0)


def listed(database: str) -> list[dict[str, Any]]:
    """The dead letters that the command lists."""
    letters: list[dict[str, Any]] = json.loads(command(database, "dead list --json"))
    return letters


def test_a_failed_task_is_listed_and_replayed(
    script: Script, failed: Any, database: str
) -> None:
    (letter,) = listed(database)
    assert letter["id"] == failed.id
    assert letter["task"] == "async_test.record.fail_times"
    assert "ValueError" in letter["reason"]
    assert (letter["attempts"], letter["queue"]) == (1, "trytond-async")
    told = command(database, "dead replay", failed.id)
    assert told == f"{failed.id}: runs again\n"
    assert states(database) == ["pending"]
    relayed(database)
    script.burst()
    assert labels(database) == ["attempt"]
    assert listed(database) == []
    told = command(database, "dead replay", failed.id, exit_code=1)
    assert told == f"{failed.id}: there is no such dead letter\n"


@ONE_DATABASE
def test_discarded_with_its_task(script: Script, failed: Any, database: str) -> None:
    assert "discarded" in command(database, "dead discard --all")
    assert states(database) == []
    assert listed(database) == []


@ONE_DATABASE
def test_it_asks_before_it_acts_on_many(script: Script, database: str) -> None:
    with script.transaction():
        for _ in range(2):
            script.record.fail.configure(max_attempts=1).defer("x")
    script.burst()
    # Nobody answers.
    told = command(database, "dead discard --all", exit_code=1)
    assert "Discard 2 dead letters?" in told
    assert len(listed(database)) == 2
    command(database, "dead discard", exit_code=2)


@ONE_DATABASE
class TestOnSqs:
    @pytest.fixture
    def broker_settings(self, proxy: Proxy) -> dict[str, str]:
        return sqs_settings(proxy.url)

    def test_a_retried_task_leaves_no_letter(
        self, failed: Any, database: str, queue: TaskQueue
    ) -> None:
        assert len(queue.dead()) == 1
        assert command(database, "retry", failed.id) == f"{failed.id}: runs again\n"
        assert queue.dead() == []

    def test_a_letter_of_a_task_that_runs_again_is_removed(
        self, failed: Any, database: str, queue: TaskQueue
    ) -> None:
        retrying.retry(of_database(database), [failed.id])
        told = command(database, "dead list")
        assert failed.id not in told
        assert "removed 1 letter(s) of tasks that have run since" in told
        assert queue.dead() == []

    def test_a_letter_without_its_row_is_kept(
        self, failed: Any, database: str, queue: TaskQueue
    ) -> None:
        retrying.discard(of_database(database), [failed.id])
        (letter,) = listed(database)
        assert letter["obstacle"] == "its task has no row any more"
        told = command(database, "dead replay --all", exit_code=1)
        assert told == f"{failed.id}: its task has no row any more\n"
        assert len(queue.dead()) == 1
        command(database, "dead discard", failed.id)
        assert queue.dead() == []

    def test_a_message_of_a_stranger(
        self, script: Script, database: str, queue: TaskQueue, proxy: Proxy
    ) -> None:
        """Nobody believes what it says; it comes back to the dead letters."""
        queue.put('{"id": "x"}.forged')
        script.burst()
        (letter,) = listed(database)
        assert letter["task"] is None
        assert letter["reason"] == (
            "BadMessage: no message of this package: 18 bytes without a signature"
        )
        # Not lost while it cannot be sent.
        proxy.refuse("AccessDenied", 403, only="SendMessage")
        told = command(database, "dead replay", letter["id"], exit_code=1)
        assert "is still there" in told
        assert len(queue.dead()) == 1
        proxy.watch = Watch()
        told = command(database, "dead replay", letter["id"])
        assert told.endswith("is in its queue again, where a worker decides\n")
        assert (queue.left(), queue.dead()) == (1, [])
        script.burst()
        assert len(queue.dead()) == 1

    def test_without_a_row_the_letter_runs_again(
        self,
        tryton_conf: ConfWriter,
        broker_settings: dict[str, str],
        database: str,
        queue: TaskQueue,
        tmp_path: Any,
    ) -> None:
        tryton_conf(signing_key=SECRET_KEY, outbox="no", **broker_settings)
        script = Script(database)
        with script.transaction():
            task = script.record.fail_times.configure(max_attempts=1)
            task.defer(str(tmp_path / "attempts"), 1)
        script.burst()
        (letter,) = listed(database)
        assert letter["task"] == "async_test.record.fail_times"
        command(database, "dead replay --queue trytond-async")
        script.burst()
        assert labels(database) == ["attempt"]
        assert (queue.left(), queue.dead()) == (0, [])

    def test_queues_that_must_not_be_listed_are_named(
        self, failed: Any, database: str, proxy: Proxy
    ) -> None:
        proxy.refuse("AccessDenied", 403, only="ListQueues")
        told = command(database, "dead list", exit_code=1)
        assert "or name the queues: --queue" in told
        told = command(database, "dead list --queue trytond-async")
        assert failed.id in told
