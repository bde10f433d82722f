"""Batches in tests of users: captured, run at once, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

from devtools.browser import Browser
from nereid_async import AsyncResult, NereidAsync, async_task, current_task
from nereid_async.errors import ResultExpired, ResultNotSent, TaskCancelled
from nereid_async.messages.outcome import Progress, State
from nereid_async.testing import capture, inline
from tests.helpers import query
from tests.integration.conftest import SignalLog
from tests.marks import ONE_DATABASE, once

async_ext = NereidAsync()


def entry() -> Any:
    return Pool().get("async_test.record").write_entry


def entries() -> list[str]:
    """What the tasks have written, seen in the open transaction."""
    return [it.label for it in Pool().get("async_test.entry").search([])]


@async_task
def write_more() -> None:
    """Defer one member more, and what is none."""
    with current_task.join_batch():
        entry().defer("joined")
    entry().defer("apart")


@async_task(max_attempts=1)
def begin_batch(fails: bool) -> None:
    """Begin a batch."""
    with async_ext.batch("Inner", then=entry().prepare("inner then")):
        entry().defer("inner")
    if fails:
        raise ValueError("after the batch")


@async_task
def cancel_own_batch() -> None:
    AsyncResult(str(current_task.batch_id)).cancel()
    current_task.check()


@async_task
def lock_first() -> None:
    """Lock a table, for which trytond begins the transaction again."""
    Transaction().lock_table("async_test_record")


@pytest.fixture
def transaction(database: str) -> Iterator[Any]:
    """One that is rolled back, as in Tryton's tests."""
    with Transaction().start(database, 1) as transaction:
        yield transaction
        transaction.rollback()


@pytest.mark.usefixtures("transaction")
def test_then_runs_once_after_the_last_member(
    database: str, signal_log: SignalLog
) -> None:
    with capture() as deferred:
        with async_ext.batch("News", then=entry().prepare("then")) as batch:
            entry().defer_many(["a", "b"])
            write_more.defer()
        entry().defer("other")
        with pytest.raises(ResultNotSent):
            batch.result.state()
        deferred.assert_not_called(entry(), "then")
        assert (batch.then is None, len(deferred)) == (False, 4)
        deferred.run()
        assert entries() == ["a", "b", "other", "joined", "apart", "then"]
        assert batch.result.get() == {"done": 4, "failed": 0, "cancelled": 0}
        deferred.assert_called_once(entry(), "then")
        assert deferred.run() == []
        (captured,) = deferred.batches
        assert (captured.name, captured.state) == ("News", State.DONE)
        assert [it.args for it in captured.members][::3] == [("a",), ("joined",)]
        assert captured.result.get() == AsyncResult(batch.id).get()
        assert repr(captured) == "<batch 'News' of 4>"
        batch.result.acknowledge()
        with pytest.raises(ResultExpired):
            AsyncResult(batch.id).get()
    assert query(database, "SELECT * FROM async_batch") == []
    assert signal_log.names().count("task_deferred") == 7


@ONE_DATABASE
@pytest.mark.usefixtures("transaction")
def test_a_member_that_is_tried_again_keeps_it_open(tmp_path: Path) -> None:
    Record = Pool().get("async_test.record")
    with capture() as deferred:
        calls = {name: entry().prepare(name) for name in ("then", "on_failure")}
        with async_ext.batch("News", **calls) as batch:
            entry().defer("a")
            Record.fail.configure(max_attempts=2).defer("bad")
        with pytest.raises(ValueError, match="bad"):
            deferred.run()
        assert batch.result.state() is State.RUNNING
        assert deferred.batches[0].progress == Progress(1, 2, failed=0)
        assert entries() == ["a"]
        deferred.run(raises=False)
        assert batch.result.get() == {"done": 1, "failed": 1, "cancelled": 0}
        assert entries() == ["a", "then", "on_failure"]


@ONE_DATABASE
@pytest.mark.usefixtures("transaction")
def test_an_empty_batch() -> None:
    with capture() as deferred:
        with async_ext.batch("None", then=entry().prepare("then")) as batch:
            entry().defer("cancelled").cancel()
        deferred.run()
        assert batch.result.get() == {"done": 0, "failed": 0, "cancelled": 0}
        assert entries() == ["then"]


@ONE_DATABASE
def test_an_empty_batch_of_a_commit(database: str, signal_log: SignalLog) -> None:
    with capture() as deferred:
        with Transaction().start(database, 1):
            with async_ext.batch("None", then=entry().prepare("then")) as batch:
                pass
        deferred.run()
        assert batch.result.get(timeout=1) == {"done": 0, "failed": 0, "cancelled": 0}
    assert query(database, "SELECT label FROM async_test_entry") == [("then",)]
    assert signal_log.names().count("task_deferred") == 1


@ONE_DATABASE
@pytest.mark.usefixtures("transaction")
def test_a_batch_cancelled_before_its_commit() -> None:
    with capture() as deferred:
        with async_ext.batch("News", then=entry().prepare("then")) as batch:
            entry().defer("a")
        assert batch.result.cancel() is State.PENDING
        assert (deferred.run(), deferred.batches) == ([], [])
        with pytest.raises(TaskCancelled):
            batch.result.get()


@ONE_DATABASE
def test_a_committed_batch_is_cancelled(database: str) -> None:
    """By its owner, or a member of it; or only its last member is."""

    def begin() -> Any:
        return async_ext.batch("News", then=entry().prepare("then"))

    with capture() as deferred:
        with Transaction().start(database, 1):
            with begin() as waiting:
                entry().defer("a")
            with begin() as running:
                cancel_own_batch.defer()
                entry().defer("b")
            with begin() as other:
                last = entry().defer("c")
        assert waiting.result.state() is State.RUNNING
        assert waiting.result.cancel() is State.RUNNING
        assert last.cancel() is State.PENDING
        counts = {"done": 0, "failed": 0, "cancelled": 1}
        assert other.result.get(timeout=1) == counts
        deferred.run()
        for batch in (waiting, running):
            assert batch.result.state() is State.CANCELLED
            assert batch.result.cancel() is State.CANCELLED
    assert query(database, "SELECT label FROM async_test_entry") == [("then",)]


@ONE_DATABASE
@pytest.mark.usefixtures("transaction")
def test_a_batch_of_a_task(signal_log: SignalLog) -> None:
    """It goes with what the attempt has written."""
    with capture() as deferred:
        begin_batch.defer(True)
        begin_batch.defer(False)
        deferred.run(raises=False)
        assert entries() == ["inner", "inner then"]
        assert [it.name for it in deferred.batches] == ["Inner"]
        assert len(deferred.rolled_back) == 1


@ONE_DATABASE
@pytest.mark.usefixtures("transaction")
def test_what_was_cleared_does_not_end() -> None:
    with capture() as deferred:
        with async_ext.batch("News", then=entry().prepare("then")) as batch:
            entry().defer("a")
        deferred.clear()
        deferred.run()
        assert (len(deferred), deferred.batches, entries()) == (0, [], [])
        assert batch.id


@ONE_DATABASE
def test_a_transaction_that_begins_again(database: str) -> None:
    with capture() as deferred:
        with pytest.raises(TransactionError):
            with Transaction().start(database, 1):
                with async_ext.batch("Lost", then=entry().prepare("lost")):
                    lock_first.defer()
                deferred.run()
        with Transaction().start(database, 1):
            with async_ext.batch("News", then=entry().prepare("then")):
                lock_first.defer()
        deferred.run()
        assert [it.name for it in deferred.batches] == ["News"]
    assert query(database, "SELECT label FROM async_test_entry") == [("then",)]


@ONE_DATABASE
@pytest.mark.usefixtures("transaction")
def test_inline() -> None:
    """Members run inside of the block, and what they defer is no member by itself."""
    with inline() as deferred:
        with async_ext.batch("News", then=entry().prepare("then")) as batch:
            write_more.defer()
            begin_batch.defer(False)
            assert "then" not in entries()
        assert entries() == ["joined", "apart", "inner", "inner then", "then"]
        assert batch.result.get() == {"done": 3, "failed": 0, "cancelled": 0}
        bad = Pool().get("async_test.record").fail.configure(max_attempts=1)
        with pytest.raises(ValueError, match="loud"):
            with async_ext.batch("Loud", then=bad.prepare("loud")) as loud:
                entry().defer("a")
        assert loud.result.state() is State.DONE
    assert [it.name for it in deferred.batches] == ["Inner", "News", "Loud"]


@once
def test_a_browser_watches_and_cancels_it(client: Browser) -> None:
    order = {"labels": ["a", "b"], "options": {"cancellable": True}}
    with capture() as deferred:
        made = [client.post("/en/begin-batch", json=order).json for _ in "ab"]
        assert client.get(made[0]["url"]).json["progress"]["total"] == 2
        assert client.delete(made[0]["url"]).status_code == 202
        assert client.get(made[0]["url"]).json["state"] == "cancelled"
        deferred.run()
        counts = {"done": 2, "failed": 0, "cancelled": 0}
        assert client.get(made[1]["url"]).json["result"] == counts
    assert [it.state for it in deferred.batches] == [State.CANCELLED, State.DONE]
