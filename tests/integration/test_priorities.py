"""What is urgent runs first; of the same priority, what has been due for longest."""

from __future__ import annotations

import pytest

from devtools.messages import message
from devtools.processes import free_port
from nereid_async.errors import ConfigurationError
from nereid_async.rows import Row, TaskRows
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query


def add(rows: TaskRows, *labels: str) -> None:
    """Add rows that are due, one after the other.

    :param labels: of a queue, a priority, and a letter, such as ``"q5a"``.
    """
    for label in labels:
        made = message(label[0], priority=int(label[1]))
        rows.insert_apart([Row(made, label)], notify=True)


def claimed(rows: TaskRows, limit: int, *queues: str) -> list[str]:
    return [claim.text for claim in rows.claim_due(queues, limit, 60, True)]


def test_due_tasks_go_by_priority_then_by_due_time(rows: TaskRows) -> None:
    add(rows, "q5a", "q9b", "q0c", "q5d", "q0e", "q1f")
    assert claimed(rows, 4, "q") == ["q0c", "q0e", "q1f", "q5a"]
    assert claimed(rows, 4, "q") == ["q5d", "q9b"]


def test_the_urgent_ones_of_all_queues_go_first_and_then_queues_take_turns(
    rows: TaskRows,
) -> None:
    add(rows, "a5a", "a5b", "a5c", "a9d", "b5e", "b5f", "b0g")
    assert sorted(claimed(rows, 3, "a", "b")) == ["a5a", "b0g", "b5e"]
    assert sorted(claimed(rows, 2, "a", "b")) == ["a5b", "b5f"]
    assert claimed(rows, 2, "a", "b") == ["a5c", "a9d"]


def test_what_is_urgent_and_not_due_holds_up_nothing(rows: TaskRows) -> None:
    later = Row(message(priority=0, delay_s=600), "later")
    rows.insert_apart([later], notify=True)
    assert 0 < (rows.next_due_s(["q"], True) or 0) < 601
    add(rows, "q9a")
    assert rows.next_due_s(["q"], True) == 0
    assert claimed(rows, 2, "q") == ["q9a"]


def test_rows_of_an_earlier_release_have_the_usual_priority(rows: TaskRows) -> None:
    """A web process that was not restarted yet names no priority."""
    add(rows, "q6c", "q4a")
    query(
        rows.database,
        "INSERT INTO async_task (uuid, name, queue, web, state, due_at, deferred_at, "
        "message) SELECT 'b', name, queue, web, state, due_at, deferred_at, 'b' "
        "FROM async_task WHERE priority = 6",
    )
    assert claimed(rows, 3, "q") == ["q4a", "b", "q6c"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_the_urgent_one_runs_first(script: Script, database: str) -> None:
    with script.transaction():
        task = script.record.write_entry
        task.defer("usual")
        task.configure(priority=9).defer("last")
        task.configure(priority=0).defer("first")
    script.burst()
    assert labels(database) == ["first", "usual", "last"]


@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
class TestOnSqs:
    """There urgency is a queue of its own; what is left over leaves in order."""

    def test_the_relay_sends_what_is_urgent_first(
        self, script: Script, database: str, tryton_conf: ConfWriter
    ) -> None:
        gone = f"http://127.0.0.1:{free_port()}"
        tryton_conf(sqs_endpoint_url=gone, send_timeout="0.5")
        with script.transaction():
            for priority in (5, 9, 0):
                task = script.record.write_entry.configure(priority=priority)
                task.defer(f"{priority}")
        runtime = of_database(database)
        assert runtime.rows is not None
        unsent = runtime.rows.unsent(10, 0, 900)
        messages = [runtime.codec.decode(row.text) for row in unsent if row.text]
        assert [it.priority for it in messages] == [0, 5, 9]
        assert Relay(runtime, runtime.rows).send_round(0).confirmed == []

    def test_without_a_row_there_is_no_priority(
        self, script: Script, tryton_conf: ConfWriter
    ) -> None:
        tryton_conf(outbox="no")
        with script.transaction():
            task = script.record.write_entry.configure(priority=0)
            with pytest.raises(ConfigurationError, match="priority=0 needs a row"):
                task.defer("x")
