"""Tasks of a group: one at a time and in order, or in turns with other groups."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from trytond.transaction import Transaction

from devtools.messages import message
from devtools.plans import ExplainedRows
from devtools.workers import worker_thread
from nereid_async.database import connections
from nereid_async.errors import ConfigurationError
from nereid_async.messages.outcome import Failure, Outcome, State
from nereid_async.rows import Claim, Row, TaskRows
from nereid_async.runtime import of_database
from nereid_async.sqs.queue_names import QueueNames
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import command, labels, query, wait_until
from tests.marks import ONE_DATABASE, once

LEASE_S = 60.0
ORDERED = "q.fifo"


def add(rows: TaskRows, *names: str, queue: str = "q", **fields: Any) -> list[str]:
    """Add rows in one transaction; the group is the first letter of the name.

    One that begins with ``-`` has no group.
    """
    made = [
        Row(message(queue, group=None if it[0] == "-" else it[0], **fields), it)
        for it in names
    ]
    rows.insert_apart(made, notify=True)
    return [row.message.id for row in made]


def claimed(rows: TaskRows, limit: int = 100, queue: str = ORDERED) -> list[Claim]:
    return rows.claim_due([queue], limit, LEASE_S, True)


def texts(claims: list[Claim]) -> list[str]:
    return sorted(claim.text for claim in claims)


def finish(rows: TaskRows, claims: list[Claim]) -> None:
    for claim in claims:
        with Transaction().start(rows.database, 1) as transaction:
            cursor = connections.cursor_of(transaction)
            rows.finish(cursor, claim, Outcome(1, 1), 60)


class TestOrder:
    """In a queue whose name ends in ``.fifo``."""

    def test_one_of_a_group_runs_at_a_time(self, rows: TaskRows) -> None:
        add(rows, "a1", "a2", "b1", "a3", "b2", queue=ORDERED)
        first = claimed(rows)
        assert texts(first) == ["a1", "b1"]
        assert claimed(rows) == []
        assert rows.next_due_s([ORDERED], True) is None
        finish(rows, [it for it in first if it.text == "a1"])
        assert rows.next_due_s([ORDERED], True) == 0
        assert texts(claimed(rows)) == ["a2"]
        assert rows.pending_queues() == [ORDERED]

    def test_a_failed_one_is_before_its_successors_until_it_is_given_up(
        self, rows: TaskRows
    ) -> None:
        add(rows, "a1", "a2", queue=ORDERED)
        (first,) = claimed(rows)
        rows.release(first, State.PENDING, 600, 1)
        assert claimed(rows) == []
        assert 0 < (rows.next_due_s([ORDERED], True) or 0) < 601
        query(rows.database, "UPDATE async_task SET due_at = deferred_at")
        (again,) = claimed(rows)
        assert again.text == "a1"
        rows.finish_apart(again, Outcome(failure=Failure("E", "m")), 60)
        assert texts(claimed(rows)) == ["a2"]

    def test_a_cancelled_one_lets_its_successors_run(self, rows: TaskRows) -> None:
        ids = add(rows, "a1", "a2", "a3", queue=ORDERED)
        rows.cancel(ids[0])
        rows.cancel(ids[1])
        assert texts(claimed(rows)) == ["a3"]

    def test_a_delay_is_one_of_the_whole_group(self, rows: TaskRows) -> None:
        add(rows, "a1", queue=ORDERED, delay_s=600)
        add(rows, "a2", "b1", queue=ORDERED)
        assert texts(claimed(rows)) == ["b1"]

    def test_a_requeued_one_waits_for_what_runs(self, rows: TaskRows) -> None:
        ids = add(rows, "a1", "a2", "a3", queue=ORDERED)
        (first,) = claimed(rows)
        rows.finish_apart(first, Outcome(failure=Failure("E", "m")), 60)
        second = claimed(rows)
        rows.retry_failed(ids[:1])
        assert claimed(rows) == []
        assert rows.claim_ids(ids, LEASE_S, ordered=True) == {}
        assert rows.next_due_s([ORDERED], True) is None
        finish(rows, second)
        assert texts(claimed(rows)) == ["a1"]

    def test_received_messages_are_claimed_in_order(self, rows: TaskRows) -> None:
        ids = add(rows, "a1", "a2", "b1", queue=ORDERED)
        assert rows.claim_ids(ids[1:2], LEASE_S, ordered=True) == {}
        claims = rows.claim_ids(ids, LEASE_S, ordered=True)
        assert texts([*claims.values()]) == ["a1", "b1"]

    def test_a_worker_without_the_web_app_leaves_a_group_that_needs_it(
        self, rows: TaskRows
    ) -> None:
        add(rows, "a1", "a2", "b1", queue=ORDERED)
        query(rows.database, "UPDATE async_task SET web = true WHERE message = 'a1'")
        assert texts(rows.claim_due([ORDERED], 10, LEASE_S, False)) == ["b1"]
        assert rows.next_due_s([ORDERED], False) is None

    @pytest.mark.backends("postgresql")
    def test_ids_are_in_the_order_of_commits(self, rows: TaskRows) -> None:
        """Who has deferred first, and commits last, keeps the others waiting."""
        late = threading.Thread(
            target=add, args=(rows, "a2"), kwargs={"queue": ORDERED}
        )
        with Transaction().start(rows.database, 1) as transaction:
            cursor = connections.cursor_of(transaction)
            first = Row(message(ORDERED, group="a"), "a1")
            rows.insert(cursor, [first], notify=True)
            late.start()
            add(rows, "b1", queue=ORDERED)
            assert texts(claimed(rows)) == ["b1"]
        late.join()
        rest = "SELECT message FROM async_task WHERE state = 'pending' ORDER BY id"
        assert query(rows.database, rest) == [("a1",), ("a2",)]

    @pytest.mark.backends("postgresql")
    def test_two_claims_at_once_give_a_group_to_one(self, rows: TaskRows) -> None:
        """The second does not see yet that the first runs; the index tells it."""
        ids = add(rows, "a1", "a2", "b1", queue=ORDERED)
        failed = claimed(rows)[0]
        rows.finish_apart(failed, Outcome(failure=Failure("E", "m")), 60)
        found: list[Claim] = []
        with connections.transaction(rows.database) as cursor:
            cursor.execute(
                "UPDATE async_task SET state = 'running', token = 'x' "
                "WHERE message = 'a2'"
            )
            rows.retry_failed(ids[:1])
            other = threading.Thread(target=lambda: found.extend(claimed(rows)))
            other.start()
            wait_until(
                lambda: (
                    query(
                        rows.database,
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = "
                        "'Lock' AND datname = current_database()",
                    )
                    == [(1,)]
                ),
                30,
                "the claim waits",
            )
        other.join()
        assert "a1" not in texts(found)

    @pytest.mark.backends("postgresql")
    def test_ten_thousand_that_wait_slow_down_no_other_group(
        self, cloned_database: str
    ) -> None:
        rows = ExplainedRows(cloned_database, analyze=True)
        many = [Row(message(ORDERED, group="a"), "a") for _ in range(10_000)]
        TaskRows(cloned_database).insert_apart(many, notify=False)
        add(TaskRows(cloned_database), "b1", "c1", queue=ORDERED)
        with connections.autocommit(cloned_database) as cursor:
            cursor.execute("ANALYZE async_task")
        # The first time by the explanation.
        assert claimed(rows) == []
        state = "SELECT count(*) FROM async_task WHERE state = 'running'"
        assert query(cloned_database, state) == [(3,)]
        assert rows.next_due_s([ORDERED], True) is None
        assert rows.most_read <= 20


class TestFairness:
    """In any other queue groups take turns."""

    def test_groups_take_turns(self, rows: TaskRows) -> None:
        add(rows, "a1", "a2", "a3", "a4")
        add(rows, "b1", "b2", "c1")
        first = [claimed(rows, 1, "q")[0].text for _ in range(4)]
        assert first == ["a1", "b1", "c1", "a2"]
        add(rows, "d1", "a5")
        rest = [claimed(rows, 1, "q")[0].text for _ in range(5)]
        assert rest == ["b2", "d1", "a3", "a4", "a5"]

    def test_a_claim_runs_them_in_turns(self, rows: TaskRows) -> None:
        add(rows, "a1", "a2", "a3")
        add(rows, "b1", "b2")
        names = [claim.text for claim in claimed(rows, 5, "q")]
        assert names == ["a1", "b1", "a2", "b2", "a3"]

    def test_those_without_a_group_have_turns_of_their_own(
        self, rows: TaskRows
    ) -> None:
        add(rows, *(f"a{n}" for n in range(50)))
        add(rows, "-1", "-2", "-3")
        assert {"-1", "-2", "-3"} < set(texts(claimed(rows, 6, "q")))

    def test_a_delayed_one_and_a_retried_one_go_by_their_due_time(
        self, rows: TaskRows
    ) -> None:
        add(rows, "a1", "b1")
        add(rows, "a2", delay_s=600)
        claims = claimed(rows, 2, "q")
        assert 0 < (rows.next_due_s(["q"], True) or 0) < 601
        rows.release(claims[0], State.PENDING, 300, 1)
        rows.release(claims[1], State.PENDING, None, 0)
        assert [claim.text for claim in claimed(rows, 9, "q")] == ["b1"]
        query(rows.database, "UPDATE async_task SET due_at = deferred_at")
        assert texts(claimed(rows, 9, "q")) == ["a1", "a2"]

    def test_a_worker_without_the_web_app_passes_over_what_needs_it(
        self, rows: TaskRows
    ) -> None:
        add(rows, "a1", "b1")
        query(rows.database, "UPDATE async_task SET web = true WHERE message = 'a1'")
        assert rows.next_due_s(["q"], False) == 0
        assert texts(rows.claim_due(["q"], 10, LEASE_S, False)) == ["b1"]

    def test_urgent_ones_go_first(self, rows: TaskRows) -> None:
        add(rows, "a1", "a2", priority=9)
        add(rows, "b1", priority=0)
        assert claimed(rows, 1, "q")[0].text == "b1"

    @pytest.mark.backends("postgresql")
    def test_a_claim_reads_little_more_than_it_takes(
        self, cloned_database: str
    ) -> None:
        rows = TaskRows(cloned_database)
        many = [Row(message(group=f"group {n % 100}"), "x") for n in range(5_000)] + [
            Row(message(), "x") for n in range(5_000)
        ]
        rows.insert_apart(many, notify=True)
        later = [Row(message(group="b", delay_s=600), "x") for _ in range(5_000)]
        rows.insert_apart(later, notify=True)
        with connections.autocommit(cloned_database) as cursor:
            cursor.execute("ANALYZE async_task")
        explained = ExplainedRows(cloned_database, analyze=True)
        assert len(claimed(explained, 10, "q")) == 10
        assert explained.next_due_s(["q"], True) == 0
        assert explained.most_read <= 40
        assert explained.most_pages <= 80


@once
def test_commands_list_a_group(script: Script, database: str) -> None:
    with script.transaction():
        ours = script.record.write_entry.configure(group="a").defer("x")
        other = script.record.write_entry.configure(group="b").defer("x")
    listed = command(database, "tasks list", "--group", "a")
    assert ours.id in listed
    assert other.id not in listed
    assert "group:       a" in command(database, "tasks show", ours.id)


@once
def test_what_cannot_be_had_is_an_error_at_the_deferral(
    script: Script, tryton_conf: ConfWriter
) -> None:
    task = script.record.write_entry
    with script.transaction():
        with pytest.raises(ConfigurationError, match=r"queue q\.fifo keeps the order"):
            task.configure(queue=ORDERED).defer("x")
        with pytest.raises(ConfigurationError, match="has none"):
            task.configure(queue=ORDERED, group=lambda label: None).defer("x")
        with pytest.raises(ConfigurationError, match="priority=0 in queue q"):
            task.configure(queue=ORDERED, group="a", priority=0).defer("x")


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
def test_a_group_needs_a_row(script: Script, tryton_conf: ConfWriter) -> None:
    tryton_conf(outbox="no")
    with script.transaction():
        with pytest.raises(ConfigurationError, match="group='a' needs a row"):
            script.record.write_entry.configure(group="a").defer("x")


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_worker_runs_a_group_in_order(script: Script, database: str) -> None:
    with script.transaction():
        task = script.record.write_entry.configure(
            queue="q.fifo", group=lambda label: label[0]
        )
        for number in range(10):
            task.defer(f"a{number}")
            task.defer(f"b{number}")
    script.burst("q.fifo")
    for group in "ab":
        of_group = [it for it in labels(database) if it[0] == group]
        assert of_group == [f"{group}{number}" for number in range(10)]


@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
class TestOnSqs:
    """The row is the guard of the order; a FIFO queue brings the messages in it."""

    @pytest.fixture
    def rows(self, script: Script) -> TaskRows:
        made = of_database(script.database).rows
        assert made is not None
        return made

    @pytest.fixture
    def entry_task(self, script: Script) -> Any:
        return script.record.write_entry.configure(
            queue=ORDERED, group=lambda label, *rest: label[0]
        )

    def relay(self, script: Script) -> list[str]:
        """One round of the relay; the texts of its messages."""
        runtime = of_database(script.database)
        assert runtime.rows is not None
        return Relay(runtime, runtime.rows).send_round(0).confirmed

    def test_groups_run_in_order(
        self, script: Script, entry_task: Any, database: str
    ) -> None:
        with script.transaction():
            for number in range(6):
                entry_task.defer(f"a{number}")
                entry_task.defer(f"b{number}")
        script.burst(ORDERED)
        for group in "ab":
            of_group = [it for it in labels(database) if it[0] == group]
            assert of_group == [f"{group}{number}" for number in range(6)]

    def test_one_that_is_sent_late_is_not_overtaken(
        self, script: Script, entry_task: Any, database: str, rows: TaskRows
    ) -> None:
        """The first waits in its row, since FIFO queues know no delay of a message."""
        with script.transaction():
            first = entry_task.configure(delay=600).defer("a1")
            entry_task.defer("a2")
            entry_task.defer("b1")
        script.burst(ORDERED)
        assert labels(database) == ["b1"]
        assert self.relay(script) == []
        rows.make_due([first.id])
        assert len(self.relay(script)) == 2
        script.burst(ORDERED)
        assert labels(database) == ["b1", "a1", "a2"]

    def test_a_mark_that_comes_late_does_not_hide_one_that_was_set_aside(
        self, script: Script, entry_task: Any, database: str, rows: TaskRows
    ) -> None:
        with script.transaction():
            entry_task.configure(delay=600).defer("a1")
            second = entry_task.defer("a2")
        assert rows.set_aside(second.id)
        rows.mark_sent([second.id])
        rows.mark_sent([second.id], 1.0)
        assert query(database, "SELECT DISTINCT state FROM async_task") == [
            ("pending",)
        ]

    def test_the_relay_sends_what_is_lost_though_sqs_has_had_it(
        self, script: Script, entry_task: Any, database: str, rows: TaskRows, queue: Any
    ) -> None:
        """SQS drops a message whose deduplication id it has had within 5 minutes."""
        with script.transaction():
            result = entry_task.defer("a1")
        of_database(database).sender.flush()
        rows.mark_unsent([result.id])
        assert self.relay(script) == [result.id]
        assert of_database(database).broker.backlog(ORDERED) == 2
        script.burst(ORDERED)
        assert labels(database) == ["a1"]

    def test_a_failed_one_is_dead_lettered_and_can_come_back(
        self, script: Script, database: str, rows: TaskRows
    ) -> None:
        fails = script.record.fail.configure(queue=ORDERED, group="a", max_attempts=1)
        with script.transaction():
            fails.defer("it fails")
            script.record.write_entry.configure(queue=ORDERED, group="a").defer("x")
        script.burst(ORDERED)
        assert labels(database) == ["x"]
        letters = of_database(database).broker.dead_letters()
        assert letters is not None
        wait_until(lambda: letters.count(ORDERED) == 1, 30, "the dead letter is there")
        (letter,) = letters.received(ORDERED)
        letters.move_back(letter)
        letters.close()
        assert letters.count(ORDERED) == 0
        wait_until(
            lambda: of_database(database).broker.backlog(ORDERED) == 1, 30, "it is back"
        )

    def test_queues_are_made_with_the_right_attributes(
        self, script: Script, entry_task: Any, database: str, queue: Any
    ) -> None:
        with script.transaction():
            entry_task.defer("a ü")
            script.record.write_entry.configure(group="a ü").defer("x")
        script.burst(ORDERED, "trytond-async")
        assert sorted(labels(database)) == ["a ü", "x"]
        names = QueueNames(database, of_database(database).settings)
        for name in (names.task(ORDERED), names.dead(ORDERED)):
            assert name.endswith(".fifo")
            url = queue.client.get_queue_url(QueueName=name)["QueueUrl"]
            found = queue.client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["All"]
            )["Attributes"]
            assert found["FifoQueue"] == "true"
            assert found["ContentBasedDeduplication"] == "false"
            assert found["DeduplicationScope"] == "messageGroup"
            assert found["FifoThroughputLimit"] == "perMessageGroupId"
        assert of_database(database).broker.warnings([ORDERED, "trytond-async"]) == []

    @ONE_DATABASE
    def test_a_queue_of_the_other_kind_is_an_error_at_start(
        self, script: Script, database: str, queue: Any
    ) -> None:
        """AWS tells them by their names; servers of its likeness do not."""
        runtime = of_database(database)
        name = QueueNames(database, runtime.settings).task("other.fifo")
        queue.client.create_queue(QueueName=name, Attributes={"FifoQueue": "false"})
        with pytest.raises(ConfigurationError, match=f"queue {name} is a standard"):
            runtime.broker.warnings(["other.fifo"])


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_ten_thousand_of_a_group_do_not_delay_the_first_of_another(
    script: Script, database: str, tmp_path: Path
) -> None:
    """It starts within a second: before 50 more tasks of 20 ms."""
    started = tmp_path / "started"
    task = script.record.work_for.configure(ignore_result=True)
    with script.transaction():
        task.configure(group="a").defer_many([(str(started), 0.02)] * 10_000)

    def ran() -> list[str]:
        return started.read_text().splitlines() if started.exists() else []

    with worker_thread(database):
        wait_until(lambda: len(ran()) > 3, 30, "the first group runs")
        with script.transaction():
            first = task.configure(group="b").defer(str(started), 0.02)
        before = len(ran())
        wait_until(lambda: first.id in ran(), 30, "the other group runs")
    assert ran().index(first.id) - before < 50
