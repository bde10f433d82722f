"""``nereid_async.testing``: what tests of users capture, and run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devtools.browser import Browser
from nereid_async import AsyncResult, Retry, async_task, current_task
from nereid_async.errors import (
    ResultNotSent,
    SerializationError,
    TaskCancelled,
    TaskFailed,
)
from nereid_async.messages.outcome import Progress, State
from nereid_async.testing import capture, inline
from tests.fixtures.scripts import ConfWriter
from tests.helpers import query
from tests.integration.conftest import SignalLog
from tests.marks import ONE_BROKER, ONE_DATABASE, once


@async_task
def again() -> None:
    """A task that never comes to an end."""
    again.defer()


@async_task(ignore_result=False)
def cancel_oneself() -> str:
    """Report progress, and then be cancelled by somebody else."""
    current_task.progress(1, 2, "half")
    AsyncResult(str(current_task.id)).cancel()
    current_task.check()
    return "finished"


@async_task(ignore_result=False)
def lock_first() -> str:
    """Lock a table, for which trytond begins the transaction again."""
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    Pool().get("async_test.entry").log("locks")
    Transaction().lock_table("async_test_record")
    return "locked"


@async_task(max_attempts=1)
def break_sql() -> None:
    """Send what no database understands, after which PostgreSQL takes nothing more."""
    from trytond.transaction import Transaction

    Transaction().connection.cursor().execute("SELECT * FROM nowhere")


@pytest.fixture
def record(database: str) -> Iterator[Any]:
    """The test model, in a transaction that is rolled back, as Tryton's tests are."""
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    with Transaction().start(database, 1, context={"company": 1}) as transaction:
        yield Pool().get("async_test.record")
        transaction.rollback()


def entries() -> list[str]:
    """What the tasks have written, seen in the open transaction."""
    from trytond.pool import Pool

    return [it.label for it in Pool().get("async_test.entry").search([])]


# -- what is captured ----------------------------------------------------------------


@ONE_DATABASE
def test_nothing_is_written_or_sent(
    database: str, record: Any, signal_log: SignalLog
) -> None:
    """There is no signing key, either: a test needs no configuration."""
    from trytond.transaction import Transaction

    with capture() as deferred:
        record.write_entry.configure(queue="mail", delay=60).defer("outer")
        with Transaction().new_transaction():
            result = record.echo.defer(1, [2])
        assert [it.task for it in deferred] == [
            "async_test.record.write_entry",
            "async_test.record.echo",
        ]
    assert len(deferred) == 2
    first, second = deferred
    assert (first.args, first.kwargs) == (("outer",), {})
    assert first.options["queue"] == "mail"
    assert first.options["delay"] == 60
    assert first.options["shared"] is False
    assert (first.user, first.context) == (1, {"company": 1})
    assert second.args == (1, [2])
    assert second.id == result.id
    assert first.state is State.PENDING
    assert "write_entry('outer')" in repr(deferred)
    assert query(database, "SELECT * FROM async_task") == []
    assert signal_log.names() == ["task_deferred", "task_deferred"]


@ONE_DATABASE
def test_what_was_rolled_back_or_cancelled_is_not_among_them(record: Any) -> None:
    from trytond.transaction import Transaction

    with capture() as deferred:
        with Transaction().new_transaction() as inner:
            record.echo.defer("lost")
            inner.rollback()
        record.echo.defer("cancelled").cancel()
        record.echo.defer("kept")
    assert [it.args for it in deferred] == [("kept",)]
    assert [it.args for it in deferred.rolled_back] == [("lost",)]


@ONE_DATABASE
def test_other_threads_and_inner_captures(database: str, record: Any) -> None:
    from trytond.transaction import Transaction

    def defer() -> None:
        with Transaction().start(database, 1):
            record.echo.defer("of a thread")

    with capture() as outer:
        thread = threading.Thread(target=defer)
        thread.start()
        thread.join()
        with capture() as inner:
            record.echo.defer("inner")
        record.echo.defer("outer")
    assert [it.args for it in inner] == [("inner",)]
    assert [it.args for it in outer] == [("of a thread",), ("outer",)]


@ONE_DATABASE
def test_a_result_before_the_run(record: Any) -> None:
    with capture():
        result = record.echo.defer(1)
        with pytest.raises(ResultNotSent):
            result.get()
        with pytest.raises(SerializationError, match="argument 'args': a builtins"):
            record.echo.defer(object())


# -- running -------------------------------------------------------------------------


def test_run_in_the_same_transaction(
    database: str, record: Any, signal_log: SignalLog
) -> None:
    with capture() as deferred:
        result = record.write_entry.defer("first")
        ran = deferred.run()
        assert entries() == ["first"]
        assert result.get() == "first"
        assert AsyncResult(result.id).wait(1) == "first"
    assert ran == list(deferred)
    assert ran[0].state is State.DONE
    assert [it.number for it in ran[0].attempts] == [1]
    assert deferred.run() == []
    assert "task_succeeded" in signal_log.names()


def test_what_a_failed_attempt_wrote_is_rolled_back(
    record: Any, tmp_path: Path
) -> None:
    """By the worker's rules if nothing is raised: until the last attempt."""
    with capture() as deferred:
        record.write_entry.defer("before")
        result = record.fail_times.defer(str(tmp_path / "a"), 2)
        lost = record.fail_times.defer(str(tmp_path / "b"), 9)
        deferred.run(raises=False)
        assert entries() == ["before", "attempt"]
        assert result.get() == 3
        with pytest.raises(TaskFailed, match="attempt 4"):
            lost.get()
    retried, failed = deferred[1:]
    assert [it.number for it in retried.attempts] == [1, 2, 3]
    assert retried.attempts[0].retry_in_s is not None
    assert str(retried.attempts[1].error) == "attempt 2"
    assert len(failed.attempts) == 4
    assert failed.attempts[-1].retry_in_s is None
    assert failed.state is State.FAILED


@ONE_DATABASE
def test_an_exception_is_raised_to_the_test(record: Any, tmp_path: Path) -> None:
    with capture() as deferred:
        record.fail_times.defer(str(tmp_path / "a"), 1)
        with pytest.raises(ValueError, match="attempt 1"):
            deferred.run()
        assert deferred[0].state is State.PENDING
        # The next attempt.
        deferred.run()
    assert deferred[0].result.get() == 2


@ONE_DATABASE
def test_retry_is_honoured(record: Any, tmp_path: Path) -> None:
    with capture() as deferred:
        result = record.retry_now.defer(str(tmp_path / "a"), 2)
        deferred.run(attempts=1)
        assert deferred[0].state is State.PENDING
        assert deferred[0].attempts[0].retry_in_s == 0
        deferred.run()
    assert result.get() == 3
    assert [it.number for it in deferred[0].attempts] == [1, 2, 3]


@ONE_DATABASE
def test_a_group_keeps_its_order(record: Any, tmp_path: Path) -> None:
    """One that is to be tried again is before the others of its group, as it is told.

    Only in a queue that keeps the order.
    """
    with capture() as deferred:
        for queue in ("q.fifo", "q"):
            ours = {"queue": queue, "group": lambda *args: "a"}
            record.fail.configure(**ours, max_attempts=2).defer("bad")
            record.write_entry.configure(**ours).defer(f"{queue} a")
            record.write_entry.configure(queue=queue, group="b").defer(f"{queue} b")
        assert deferred[0].options["group"] == "a"
        deferred.assert_called_once(record.write_entry, queue="q.fifo", group="a")
        with pytest.raises(AssertionError, match="option group: expected 'c'"):
            deferred.assert_called(record.fail, queue="q", group="c")
        assert len(deferred.run(raises=False, attempts=1)) == 5
        assert entries() == ["q.fifo b", "q a", "q b"]
        deferred.run(raises=False, attempts=1)
        assert entries()[-1] == "q.fifo a"


@ONE_DATABASE
def test_retry_ends_with_the_last_attempt(record: Any, tmp_path: Path) -> None:
    with capture() as deferred:
        record.retry_now.configure(max_attempts=3).defer(str(tmp_path / "a"), 9)
        with pytest.raises(Retry):
            deferred.run()
    assert len(deferred[0].attempts) == 3
    assert deferred[0].state is State.FAILED


def test_a_broken_statement_does_not_end_the_test(record: Any) -> None:
    with capture() as deferred:
        break_sql.defer()
        record.write_entry.defer("after it")
        deferred.run(raises=False)
        assert deferred[0].state is State.FAILED
        assert entries() == ["after it"]


@ONE_DATABASE
def test_what_tasks_defer_runs_too(record: Any) -> None:
    with capture() as deferred:
        record.chain.defer("follows")
        record.chain_and_fail.defer("lost")
        deferred.run(raises=False)
        assert [it.args for it in deferred] == [("follows",), ("lost",), ("follows",)]
        assert [it.args for it in deferred.rolled_back] == [("lost",)]
        assert entries() == ["follows"]


@ONE_DATABASE
def test_tasks_without_end(record: Any) -> None:
    with capture() as deferred:
        again.defer()
        with pytest.raises(AssertionError, match=r"^stopped after 20 runs: the tasks"):
            deferred.run(limit=20)


def test_as_who_and_in_which_context(record: Any) -> None:
    """Those of the deferral, not of the run."""
    from trytond.transaction import Transaction

    transaction = Transaction()
    with capture() as deferred:
        with transaction.set_user(2), transaction.set_context(language="de"):
            result = record.who.defer()
        with transaction.set_context(other=True):
            deferred.run()
            assert transaction.context == {"company": 1, "other": True}
    assert transaction.user == 1
    assert result.get() == {
        "user": 2,
        "language": "de",
        "context": {"company": 1, "language": "de"},
        "skip_warnings": True,
    }


@ONE_DATABASE
def test_results_go_through_the_encoder(record: Any) -> None:
    with capture() as deferred:
        record.unserialisable.defer()
        with pytest.raises(SerializationError, match="result: a builtins"):
            deferred.run()
        (saved,) = record.create([{"name": "a"}])
        saved.rename.defer("b")
        result = record.echo.defer(saved, (1, 2))
        deferred.run(raises=False)
        assert result.get() == [saved, (1, 2)]
        assert deferred[1].instance == saved
        assert record(saved.id).name == "b"


@ONE_DATABASE
def test_progress_and_cancel(record: Any) -> None:
    with capture() as deferred:
        result = cancel_oneself.defer()
        deferred.run()
        assert deferred[0].progress == Progress(1, 2, "half")
        assert deferred[0].state is State.CANCELLED
        with pytest.raises(TaskCancelled):
            result.get()


def test_without_a_transaction_each_runs_in_its_own(
    database: str, tmp_path: Path
) -> None:
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    record = Pool(database).get("async_test.record")
    with capture() as deferred:
        with Transaction().start(database, 1):
            record.chain.defer("committed")
            record.retry_now.defer(str(tmp_path / "a"), 1)
        deferred.run()
        assert deferred[0].result.wait(1) == deferred[0].id
        assert deferred[0].args == ("committed",)
    found = query(database, "SELECT label FROM async_test_entry ORDER BY id")
    assert found == [("attempt",), ("committed",)]
    assert query(database, "SELECT * FROM async_task") == []


@ONE_DATABASE
def test_a_task_that_locks(database: str) -> None:
    """Who has begun the transaction begins it again, as with_transaction does."""
    from trytond.transaction import Transaction, TransactionError

    with capture() as deferred:
        with pytest.raises(TransactionError):
            with Transaction().start(database, 1):
                lock_first.defer()
                deferred.run()
        assert len(deferred) == 0
        with Transaction().start(database, 1):
            result = lock_first.defer()
        deferred.run()
    assert result.wait(1) == "locked"
    assert query(database, "SELECT label FROM async_test_entry") == [("locks",)]


@ONE_DATABASE
def test_what_a_task_puts_in_the_queue_of_tryton(database: str) -> None:
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    record = Pool(database).get("async_test.record")
    with capture() as deferred:
        with Transaction().start(database, 1):
            record.use_tryton_queue.defer("queued")
        deferred.run()
    assert Transaction().tasks == []
    assert query(database, "SELECT finished_at FROM ir_queue") != [(None,)]


# -- at once -------------------------------------------------------------------------


def test_inline(record: Any) -> None:
    with inline() as deferred:
        result = record.chain.defer("follows")
        assert result.get() == result.id
        assert entries() == ["follows"]
        with pytest.raises(ValueError, match="loud"):
            record.fail.defer("loud")
    assert len(deferred) == 3
    with inline(raises=False):
        with pytest.raises(TaskFailed, match="ValueError: quiet"):
            record.fail.defer("quiet").get()


@ONE_DATABASE
@pytest.mark.parametrize(
    "settings",
    [{"broker": "sqs", "outbox": "no"}, {"encryption_key": "A" * 43 + "="}],
    ids=["without rows", "encrypted"],
)
def test_by_the_settings_of_the_application(
    tryton_conf: ConfWriter, record: Any, settings: dict[str, str]
) -> None:
    tryton_conf(**settings)
    with capture() as deferred:
        result = record.echo.defer(Decimal("1.10"))
        deferred.assert_called_once(record.echo, Decimal("1.10"))
        deferred.run()
        assert result.get() == Decimal("1.10")
    assert deferred[0].record.message.outbox is ("outbox" not in settings)


# -- with a web app --------------------------------------------------------------------


@ONE_DATABASE
def test_a_view(database: str, client: Browser) -> None:
    with capture() as deferred:
        made = client.defer("write_entry", "of a view")
        assert client.get(made["url"]).json["state"] == "pending"
        assert [it.id for it in deferred] == [made["id"]]
        assert deferred[0].args == ("of a view",)
        deferred.run()
        assert client.get(made["url"]).json["result"] == "of a view"
        assert client.delete(made["url"]).status_code == 204
        assert client.get(made["url"]).status_code == 410
    assert query(database, "SELECT label FROM async_test_entry") == [("of a view",)]
    assert query(database, "SELECT * FROM async_task") == []


@once
def test_a_view_that_raises_has_deferred_nothing(client: Browser) -> None:
    with capture() as deferred:
        assert client.post("/en/raise").status_code == 500
        deferred.assert_not_called()
        assert len(deferred.rolled_back) == 1
        assert deferred.run() == []


@once
def test_a_task_of_a_view_has_its_web_context(client: Browser) -> None:
    with capture() as deferred:
        answer = client.post("/de/web-context")
        deferred.run()
        assert client.get(answer.json["url"]).json["result"] == answer.json["seen"]


@ONE_BROKER
def test_a_view_inline(database: str, client: Browser) -> None:
    """Also one whose transaction cannot write."""
    with inline() as deferred:
        made = client.defer("write_entry", "of a view")
        assert client.get(made["url"]).json["result"] == "of a view"
        client.get("/en/readonly-get")
    assert [it.state for it in deferred] == [State.DONE] * len(deferred)
    labels = query(database, "SELECT label FROM async_test_entry")
    assert len(labels) == len(deferred) == 2
