"""A paused queue: nothing of it starts, what runs finishes, what waits is kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from devtools.messages import message
from devtools.processes import free_port
from devtools.workers import worker_thread
from nereid_async.brokers.database import DatabaseReceiver
from nereid_async.database import connections
from nereid_async.queue_selection import ALL_QUEUES
from nereid_async.rows import Row, TaskRows
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import count_messages, sqs_settings
from tests.helpers import command, labels, query, states, wait_until

#: How soon workers notice a pause, and its end.
NOTICED_S = 2.0


def defer(script: Script, queue: str, label: str) -> None:
    with script.transaction():
        script.record.write_entry.configure(queue=queue).defer(label)


def test_nothing_of_it_runs_until_it_is_resumed(
    script: Script, database: str, rows: TaskRows
) -> None:
    with worker_thread(database, queues=("held", "free")):
        # It waits in a long poll, or for a notification.
        defer(script, "held", "before")
        wait_until(lambda: labels(database) == ["before"])
        command(database, "pause", "held", "--wait")
        defer(script, "held", "held")
        defer(script, "free", "free")
        wait_until(lambda: labels(database) == ["before", "free"])
        rows.resume("held")
        resumed_s = time.monotonic()
        wait_until(lambda: labels(database) == ["before", "free", "held"])
        # And a second for the task itself, and for a whole second of SQS.
        assert time.monotonic() - resumed_s < NOTICED_S + 1


def test_a_pause_survives_restarts(script: Script, database: str) -> None:
    defer(script, "held", "held")
    defer(script, "free", "free")
    told = json.loads(command(database, "pause", "held", "--json"))
    assert told == [{"queue": "held", "paused": True, "changed": True}]
    # Each is another worker; and a burst ends though something waits.
    for _ in range(2):
        script.burst("held", "free")
    assert labels(database) == ["free"]
    told = json.loads(command(database, "resume", "held", "--json"))
    assert told == [{"queue": "held", "paused": False, "changed": True}]
    script.burst("held", "free")
    assert labels(database) == ["free", "held"]


def test_all_queues_are_those_too_that_appear_later(
    script: Script, database: str
) -> None:
    command(database, "pause", "--all")
    defer(script, "new", "new")
    script.burst("new")
    assert labels(database) == []
    # It does not end with that of a queue.
    assert "all queues are paused" in command(database, "resume", "new")
    script.burst("new")
    assert labels(database) == []
    command(database, "resume", "--all")
    script.burst("new")
    assert labels(database) == ["new"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
class TestCommands:
    """What they print, and with which exit code they end."""

    def test_wait_returns_when_what_runs_has_finished(
        self, script: Script, database: str, tmp_path: Path
    ) -> None:
        started, go = tmp_path / "started", tmp_path / "go"
        with script.transaction():
            task = script.record.wait_for_file.configure(queue="held")
            result = task.defer(str(started), str(go))
        with worker_thread(database, queues=("held",)):
            wait_until(started.exists)
            pause = ("held", "--wait", "--timeout")
            output = command(database, "pause", *pause, "0.5", exit_code=1)
            assert f"waits for task {result.id} (async_test.record.wait_for" in output
            assert "1 task(s) still run after 0.5 s" in output
            threading.Timer(2, go.touch).start()
            output = command(database, "pause", *pause, "30")
            assert "queue held: paused, and was before" in output
            assert output.count("waits for task") == 1
            assert output.endswith("nothing runs any more\n")
            assert states(database) == ["done"]

    def test_a_queue_that_nobody_knows_is_named(
        self, script: Script, database: str
    ) -> None:
        defer(script, "mail", "x")
        output = command(database, "pause", "mial", "mail")
        assert "queue mial: no task was ever deferred to it" in output
        assert "queue mail: no task" not in output

    def test_status_tells_what_is_paused(
        self, script: Script, database: str, rows: TaskRows
    ) -> None:
        assert "is paused" not in command(database, "status")
        rows.pause("mail", user=1)
        rows.pause(ALL_QUEUES)
        output = command(database, "status").splitlines()
        assert output[-2].startswith("all queues are paused since 20")
        assert output[-1].startswith("queue mail is paused since 20")
        assert output[-1].endswith(" UTC, by Administrator")
        output = command(database, "resume", "mail").splitlines()
        assert output[0] == "queue mail: resumed"
        assert command(database, "resume", "mail").startswith(
            "queue mail: was not paused"
        )

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((), "--all"),
            (("mail", "--all"), "--all"),
            (("ma il",), "queue 'ma il'"),
            (("*",), "queue '*'"),
            (("mail", "--timeout", "3"), "--timeout goes with --wait"),
        ],
    )
    def test_bad_words(
        self, script: Script, database: str, arguments: Sequence[str], said: str
    ) -> None:
        code = 1 if said.startswith("queue") else 2
        assert said in command(database, "pause", *arguments, exit_code=code)
        assert query(database, "SELECT name FROM async_queue") == []


def test_it_is_in_the_way_of_nothing_else(rows: TaskRows) -> None:
    """A second pause changes nothing; that of one queue leaves the others."""
    assert rows.pause("a", user=1)
    assert not rows.pause("a")
    assert rows.pauses()[0].by == "Administrator"
    assert rows.paused_queues() == {"a"}
    assert not rows.resume("b")
    assert rows.resume("a")
    assert rows.paused_queues() == frozenset()
    assert rows.pauses() == []


class _Counted(TaskRows):
    """Counts its statements."""

    statements = 0

    def execute(
        self,
        cursor: connections.Cursor,
        statement: str,
        parameters: Sequence[Any],
        *,
        durable: bool = True,
    ) -> None:
        self.statements += 1
        super().execute(cursor, statement, parameters, durable=durable)


def test_what_is_due_in_it_keeps_no_worker_busy(database: str) -> None:
    rows = _Counted(database)
    rows.insert_apart([Row(message(), "text")], notify=True)
    rows.pause("q")
    receiver = DatabaseReceiver(rows, ["q"], 60, True)
    rows.statements = 0
    began_s = time.monotonic()
    try:
        assert receiver.receive(1, 1.5) == []
    finally:
        receiver.close()
    assert time.monotonic() - began_s > 1
    # Those that look after dead workers, and no claim.
    assert rows.statements < 10


@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
class TestOnSqs:
    """Messages wait in SQS, and rows that are not sent in the database."""

    def test_what_a_long_poll_brings_during_a_pause_is_given_back(
        self,
        script: Script,
        database: str,
        tryton_conf: ConfWriter,
        broker_settings: dict[str, str],
        rows: TaskRows,
    ) -> None:
        tryton_conf(sqs_wait_time="20")
        consumer = of_database(database).broker.consumer(["held"])
        (receiver,) = consumer.receivers
        assert receiver.receive(1, 0) == []
        found: list[Any] = []
        poll = threading.Thread(target=lambda: found.extend(receiver.receive(1, 20)))
        poll.start()
        rows.pause("held")
        # What was read before the pause counts for a second.
        time.sleep(1.2)
        defer(script, "held", "held")
        poll.join(15)
        assert not poll.is_alive()
        assert found == []
        rows.resume("held")
        # Not hidden for longer, as it would be if it had been kept.
        (delivery,) = wait_until(lambda: receiver.receive(1, 1))
        assert delivery.receive_count == 2
        consumer.close()

    def test_the_relay_keeps_its_rows(
        self,
        script: Script,
        database: str,
        tryton_conf: ConfWriter,
        broker_settings: dict[str, str],
        rows: TaskRows,
    ) -> None:
        gone = f"http://127.0.0.1:{free_port()}"
        tryton_conf(sqs_endpoint_url=gone, send_timeout="0.5")
        for queue in ("held", "free"):
            defer(script, queue, queue)
        tryton_conf(send_timeout="10", **broker_settings)
        runtime = of_database(database)
        relay = Relay(runtime, rows)
        rows.pause(ALL_QUEUES)
        assert relay.send_round(0).confirmed == []
        rows.pause("held")
        rows.resume(ALL_QUEUES)
        assert len(relay.send_round(0).confirmed) == 1
        assert states(database) == ["pending", "sent"]
        assert count_messages(broker_settings) == 1
        rows.resume("held")
        assert len(relay.send_round(0).confirmed) == 1

    def test_messages_that_wait_there_are_not_taken_for_lost(
        self, script: Script, database: str, rows: TaskRows
    ) -> None:
        defer(script, "held", "held")
        wait_until(lambda: states(database) == ["sent"])
        runtime = of_database(database)
        relay = Relay(runtime, rows)
        # As if SQS had lost it: what is in the queue is counted there.
        query(database, "UPDATE async_task SET queue = 'other'")
        rows.pause("other")
        assert relay.resender.look(-1) == 0
        rows.resume("other")
        assert Relay(runtime, rows).resender.look(-1) == 1


def test_without_rows_there_is_no_pause(
    database: str, tryton_conf: ConfWriter, ministack: str
) -> None:
    tryton_conf(signing_key="k" * 16, outbox="no", **sqs_settings(ministack))
    output = command(database, "pause", "q", exit_code=1)
    assert "without an outbox" in output
