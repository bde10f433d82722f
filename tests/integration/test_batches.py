"""Batches: members, their progress, and what is called at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from trytond.transaction import Transaction

from nereid_async import AsyncResult, NereidAsync, signals
from nereid_async.database import connection_pool
from nereid_async.database.driver import driver
from nereid_async.errors import (
    ConfigurationError,
    DeferralError,
    NoTransaction,
    ResultMissing,
    ResultNotSent,
    SerializationError,
    TaskCancelled,
)
from nereid_async.messages.outcome import Progress, State
from nereid_async.rows import CHANNEL, EndedBatch
from nereid_async.runtime import of_database
from nereid_async.wakeup import readable
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import command, labels, query, states
from tests.marks import once

async_ext = NereidAsync()

on_the_database = pytest.mark.parametrize(
    "broker_settings", ["database"], indirect=True
)


@pytest.fixture
def ended(database: str) -> Iterator[list[EndedBatch]]:
    """The batches that the signal has told of."""
    told: list[EndedBatch] = []

    def note(sender: str, batch: EndedBatch) -> None:
        told.append(batch)

    with signals.batch_finished.connected_to(note, database):
        yield told


def test_then_runs_once_after_the_last_member(
    script: Script, ended: list[EndedBatch]
) -> None:
    with script.transaction():
        entry = script.record.write_entry
        with async_ext.batch("News", then=entry.prepare("then")) as batch:
            members = [entry.defer(label) for label in "ab"]
            members += entry.defer_many(["c", "d"])
        other = entry.defer("other")
        with pytest.raises(ResultNotSent):
            batch.result.state()
    with script.transaction():
        assert batch.result.state() == "running"
        assert batch.result.progress() == Progress(0, 4, failed=0)
    script.burst()
    with script.transaction():
        assert AsyncResult(batch.id).get(timeout=30) == {
            "done": 4,
            "failed": 0,
            "cancelled": 0,
        }
        assert other.get() == "other"
        assert [it.get() for it in members] == [*"abcd"]
    assert sorted(labels(script.database)) == ["a", "b", "c", "d", "other", "then"]
    assert ended == [EndedBatch(batch.id, "News", State.DONE, done=4)]


def test_a_failed_member_calls_on_failure_as_well(script: Script) -> None:
    with script.transaction():
        Record = script.record
        with async_ext.batch(
            "News",
            then=Record.write_entry.prepare("then"),
            on_failure=Record.write_entry.configure(priority=0).prepare("on_failure"),
        ) as batch:
            Record.write_entry.defer("a")
            Record.fail.defer("bad")
            Record.write_entry.configure(delay=600).defer("c").cancel()
            Record.write_entry.defer("d")
            late = Record.write_entry.configure(delay=600).defer("e")
    script.burst()
    with script.transaction():
        assert batch.result.progress() == Progress(3, 4, failed=1)
        assert late.cancel().waiting
        assert batch.result.get(timeout=30) == {"done": 2, "failed": 1, "cancelled": 1}
    script.burst()
    assert sorted(labels(script.database)) == ["a", "d", "on_failure", "then"]


@pytest.mark.parametrize("readonly", [False, True])
def test_an_empty_batch_is_done_at_once(
    script: Script, ended: list[EndedBatch], readonly: bool
) -> None:
    with script.transaction(readonly=readonly):
        entry = script.record.write_entry
        with async_ext.batch(
            "None",
            then=entry.prepare("then"),
            on_failure=entry.prepare("on_failure"),
        ) as batch:
            pass
    with script.transaction():
        assert batch.result.state() == "done"
        assert batch.result.get(timeout=30) == {"done": 0, "failed": 0, "cancelled": 0}
    script.burst()
    assert labels(script.database) == ["then"]
    assert ended == [EndedBatch(batch.id, "None", State.DONE)]


def test_a_member_that_defers_into_its_batch_counts(script: Script) -> None:
    with script.transaction():
        Record = script.record
        with async_ext.batch("Tree", then=Record.write_entry.prepare("then")) as batch:
            Record.join.defer(["a", "b"])
    script.burst()
    assert sorted(labels(script.database)) == ["a", "apart", "b", "then"]
    with script.transaction():
        assert batch.result.get(timeout=30) == {"done": 3, "failed": 0, "cancelled": 0}
        Record.join.defer(["plain"])
    script.burst()
    in_batch = "SELECT COUNT(*) FROM async_task WHERE batch IS NOT NULL"
    assert query(script.database, in_batch) == [(3,)]


@on_the_database
def test_what_rolls_back_leaves_nothing(script: Script) -> None:
    entry = script.record.write_entry
    with script.transaction() as transaction:
        with async_ext.batch("Lost", then=entry.prepare("then")) as batch:
            entry.defer("a")
        transaction.rollback()
    with script.transaction():
        with pytest.raises(ResultMissing, match=f"^batch {batch.id} was rolled back"):
            batch.result.get(timeout=30)
        with pytest.raises(KeyError), async_ext.batch("Raises") as raised:
            member = entry.defer("b")
            # What begins inside commits by itself: it is in no batch.
            with Transaction().new_transaction():
                entry.defer("apart")
            raise KeyError
        with pytest.raises(ResultMissing):
            raised.result.get()
        with pytest.raises(ResultMissing):
            member.get()
        with pytest.raises(SerializationError, match="object"):
            with async_ext.batch("Unwritable") as unwritable:
                entry.defer("c")
                unwritable.then = script.record.echo.prepare(object())
    script.burst()
    assert labels(script.database) == ["apart"]
    assert query(script.database, "SELECT name FROM async_batch") == []


@on_the_database
def test_members_wait_for_the_end_of_the_block(script: Script) -> None:
    with script.transaction() as transaction:
        entry = script.record.write_entry
        with async_ext.batch("Slow", then=entry.prepare("then")) as batch:
            entry.defer("a")
            transaction.commit()
            assert states(script.database) == []
            entry.defer("b")
    script.burst()
    assert sorted(labels(script.database)) == ["a", "b", "then"]
    with script.transaction() as transaction:
        with pytest.raises(DeferralError, match="rolled back inside"):
            with async_ext.batch("Gone"):
                entry.defer("c")
                transaction.rollback()
        with pytest.raises(DeferralError, match="cancelled inside"):
            with async_ext.batch("Dropped") as dropped:
                entry.defer("d")
                assert dropped.result.cancel() == "pending"
                assert dropped.result.state() == "cancelled"
                entry.defer("e")
    script.burst()
    assert len(labels(script.database)) == 3
    assert batch.id != dropped.id


def test_cancelling_a_batch_cancels_what_waits(
    script: Script, ended: list[EndedBatch]
) -> None:
    with script.transaction():
        Record = script.record
        with async_ext.batch(
            "Long",
            then=Record.write_entry.prepare("then"),
            on_failure=Record.write_entry.prepare("on_failure"),
        ) as batch:
            Record.write_entry.defer("a")
            Record.fail.defer("bad")
            Record.write_entry.configure(delay=600).defer_many(["b", "c"])
    script.burst()
    with script.transaction():
        assert batch.result.cancel() == "running"
        assert batch.result.cancel() == "cancelled"
        assert batch.result.state() == "cancelled"
        for handle in (batch.result, AsyncResult(batch.id)):
            with pytest.raises(TaskCancelled, match=f"^batch {batch.id} was cancelled"):
                handle.get(timeout=30)
    script.burst()
    assert labels(script.database) == ["a"]
    (told,) = ended
    assert told == EndedBatch(batch.id, "Long", State.CANCELLED, 1, 1, 2)


def test_the_sweep_ends_what_a_killed_worker_left(
    script: Script, database: str
) -> None:
    from nereid_async import batch_end

    with script.transaction():
        entry = script.record.write_entry
        with async_ext.batch("News", then=entry.prepare("then")) as batch:
            entry.defer("a")
    # Its worker was killed right after the commit.
    query(database, "UPDATE async_task SET state = 'done'")
    runtime = of_database(database)
    for _ in range(2):
        batch_end.sweep(runtime)
    script.burst()
    assert labels(database) == ["then"]
    with script.transaction():
        assert batch.result.state() == "done"


@on_the_database
def test_a_retried_member_does_not_reopen_its_batch(script: Script) -> None:
    with script.transaction():
        Record = script.record
        with async_ext.batch("News", then=Record.write_entry.prepare("then")) as batch:
            failed = Record.fail.defer("bad")
    script.burst()
    rows = of_database(script.database).needed_rows
    assert rows.retry_failed([failed.id]) == [failed.id]
    script.burst()
    assert labels(script.database) == ["then"]
    with script.transaction():
        assert batch.result.get(timeout=30) == {"done": 0, "failed": 1, "cancelled": 0}


@on_the_database
def test_the_reaper_leaves_the_members_of_an_open_batch(script: Script) -> None:
    with script.transaction():
        Record = script.record
        with async_ext.batch("News") as batch:
            Record.write_entry.defer("a")
            failed = Record.fail.defer("bad")
            last = Record.write_entry.configure(delay=600).defer("b")
        Record.write_entry.defer("other")
    script.burst()
    rows = of_database(script.database).needed_rows
    assert rows.reap(-60, 10) == rows.reap_batches(-60, 10) + 1
    assert rows.discard([failed.id]) == []
    with script.transaction():
        assert batch.result.progress() == Progress(2, 3, failed=1)
        last.cancel()
        assert batch.result.get(timeout=30) == {"done": 1, "failed": 1, "cancelled": 1}
        AsyncResult(batch.id).acknowledge()
    assert rows.reap_batches(60, 10) == 0
    assert rows.reap_batches(-60, 10) == 1
    assert rows.reap(-60, 10) >= 3
    with script.transaction():
        with pytest.raises(ResultMissing):
            AsyncResult(batch.id).get()


@once
def test_misuse_is_an_error_that_says_so(script: Script) -> None:
    entry = script.record.write_entry
    with pytest.raises(NoTransaction, match="'News'"):
        async_ext.batch("News").__enter__()
    with script.transaction():
        outer = async_ext.batch("Outer")
        with pytest.raises(DeferralError, match="has not begun"):
            outer.id  # noqa: B018
        with outer, pytest.raises(DeferralError, match="inside another batch"):
            with async_ext.batch("Inner"):
                pass
        with pytest.raises(DeferralError, match="begun once"):
            outer.__enter__()
        assert repr(outer) == "Batch('Outer')"
    for wrong in ({"then": entry}, {"on_failure": "x"}, {"name": ""}, {"name": 3}):
        options: Any = {"name": "News", **wrong}
        with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))}="):
            async_ext.batch(**options)
    with script.transaction():
        with pytest.raises(ConfigurationError, match=r"has a key.*key=None"):
            with async_ext.batch("Keyed", then=entry.configure(key="k").prepare("x")):
                pass
    with pytest.raises(ConfigurationError, match="cancellable"):
        async_ext.batch("News", cancellable=True, shared=True)
    with pytest.raises(TypeError, match="write_entry"):
        entry.prepare()


@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
@pytest.mark.backends("sqlite")
def test_without_an_outbox_a_batch_is_an_error(
    script: Script, tryton_conf: ConfWriter
) -> None:
    tryton_conf(outbox="no")
    with script.transaction():
        with pytest.raises(ConfigurationError, match=r"'News'.*outbox = yes"):
            async_ext.batch("News").__enter__()


@on_the_database
def test_the_commands_list_and_cancel_batches(script: Script) -> None:
    with script.transaction():
        Record = script.record
        with async_ext.batch("News") as batch:
            bad = Record.fail.defer("bad")
            Record.write_entry.configure(delay=600).defer("a")
        with async_ext.batch("None"):
            pass
    script.burst()
    database = script.database
    (listed,) = json.loads(command(database, "batches list", "--json"))
    assert {**listed, "deferred_at": None} == {
        "id": batch.id,
        "name": "News",
        "state": "running",
        "done": 0,
        "failed": 1,
        "cancelled": 0,
        "total": 2,
        "user": 1,
        "deferred_at": None,
        "finished_at": None,
    }
    members = command(database, "tasks list", "--batch", batch.id)
    assert "async_test.record.fail" in members and "write_entry" in members
    (failed,) = json.loads(command(database, "failed", "--batch", batch.id, "--json"))
    assert (failed["id"], failed["batch"]) == (bad.id, batch.id)
    assert "no such tasks" in command(database, "tasks list", "--batch", bad.id)
    told = command(database, "tasks show", batch.id, exit_code=1)
    assert "is a batch; see `batches show`" in told
    told = command(database, "tasks retry", batch.id, exit_code=1)
    assert told == f"{batch.id}: is a batch; --batch chooses its members\n"
    status = json.loads(command(database, "status", "--json"))["batches"]
    assert (status["open"], 0 <= status.pop("oldest_s") < 600) == (1, True)
    assert "\n1 open batch(es), the oldest for " in command(database, "status")
    assert "None" in command(database, "batches list", "--all", "--limit", "2")
    assert "is to end" in command(database, "batches cancel", batch.id)
    told = command(database, "batches show", batch.id)
    assert "cancelled" in told and "News" in told
    again = command(database, "batches cancel", batch.id, "x", exit_code=1)
    assert "is cancelled already" in again and "x: there is no such batch" in again
    assert "no such batch" in command(database, "batches show", "x", exit_code=1)
    assert "no such batches" in command(database, "batches list")
    assert json.loads(command(database, "batches show", batch.id, "--json"))


@on_the_database
@pytest.mark.backends("postgresql")
def test_a_cancelled_batch_wakes_workers_of_an_ordered_queue(script: Script) -> None:
    """What comes after its members may run now; in another queue nothing has waited."""
    rows = of_database(script.database).rows
    assert rows is not None
    task, batches = script.record.write_entry, []
    with script.transaction():
        for queue in ("q", "q.fifo"):
            with async_ext.batch(queue) as batch:
                task.configure(queue=queue, group="a").defer("member")
            batches.append(batch.id)
        task.configure(queue="q.fifo", group="a").defer("next")
    listener = connection_pool.connect(script.database)
    heard: list[str] = []
    try:
        listener.cursor().execute(f'LISTEN "{CHANNEL}"')
        assert [rows.cancel_members(it) for it in batches] == [1, 1]
        query(script.database, f"NOTIFY \"{CHANNEL}\", 'end'")
        while "end" not in heard:
            assert readable(30, listener)
            heard += driver().hear(listener)
    finally:
        connection_pool.disconnect(script.database, listener)
    assert heard == ["", "end"]
    assert len(rows.claim_due(["q.fifo"], 9, 60, True)) == 1


@on_the_database
def test_a_prepared_call_can_be_deferred_by_itself(
    script: Script,
) -> None:
    entry = script.record.write_entry
    assert script.value_of(entry.prepare("later").defer) == "later"
