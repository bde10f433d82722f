"""Unique tasks as callers and visitors meet them, on each broker and database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from trytond import backend
from trytond.pool import Pool

from devtools.browser import Browser
from nereid_async import AsyncResult
from nereid_async.errors import ConfigurationError, ResultCancelled, ResultNotSent
from nereid_async.messages.outcome import State
from nereid_async.runtime import of_database
from nereid_async.testing import capture
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import command, labels, query, run_until, states
from tests.integration.conftest import SignalLog
from tests.integration.test_task_actions import act
from tests.marks import ONE_BROKER, once


def keyed(script: Script, key: Any = "k", **options: Any) -> Any:
    return script.record.write_entry.configure(key=key, **options)


def test_a_second_call_keeps_the_first(script: Script, database: str) -> None:
    with script.transaction():
        first = keyed(script).defer("first")
        second = keyed(script).defer("second")
        other = keyed(script, "another key").defer("other")
        of_another_task = script.record.bare.configure(key="k").defer("bare")
    with script.transaction():
        third = keyed(script).defer("third")
    assert first.is_new
    assert not second.is_new
    assert not third.is_new
    assert second.id == third.id == first.id
    assert other.is_new
    assert of_another_task.is_new
    script.burst()
    assert sorted(labels(database)) == ["bare", "first", "other"]
    with script.transaction():
        assert keyed(script).defer("again").is_new
    assert not AsyncResult(first.id).is_new


@once
def test_the_key_of_a_call(script: Script) -> None:
    """By a function of the arguments, or the arguments themselves."""
    with script.transaction():
        task = keyed(script, lambda label: label[0])
        assert task.defer("a1").id == task.defer(label="a2").id != task.defer("b").id
        task = keyed(script, lambda label: None)
        assert task.defer("a").id != task.defer("a").id
        task = keyed(script, True)
        assert task.defer("a").id == task.defer(label="a").id != task.defer("b").id
        one, two = script.record.create([{"name": "one"}, {"name": "two"}])
        rename = script.record.rename.configure(key=True)
        ids = [rename.defer(it, "x").id for it in (one, one, two)]
        assert ids[0] == ids[1] != ids[2]


@once
def test_a_call_of_the_older_api(script: Script, database: str) -> None:
    from trytond.pool import Pool

    with script.transaction():
        defer = Pool().get("async.async").defer
        handles = [
            defer("once_a_label", model=script.record, args=[label]) for label in "aab"
        ]
    assert handles[0].id == handles[1].id != handles[2].id


def test_a_later_call_replaces_a_waiting_one(
    script: Script, database: str, signal_log: SignalLog
) -> None:
    task = keyed(script, on_conflict="replace")
    with script.transaction():
        first = task.defer("1")
        second = task.configure(priority=5).defer("2")
    with script.transaction():
        third = task.defer("3")
        fourth = task.defer("4")
        with pytest.raises(ResultNotSent):
            fourth.get(0)
    assert [it.is_new for it in (first, second, third, fourth)] == [True] + [False] * 3
    assert {it.id for it in (second, third, fourth)} == {first.id}
    script.burst()
    assert labels(database) == ["4"]
    assert states(database) == ["done"]
    assert signal_log.names().count("task_deferred") == 1
    assert signal_log.names().count("task_started") == 1
    merged = signal_log.facts("task_merged")
    assert {(it["task_id"], it["replaced"]) for it in merged} == {(first.id, True)}


@ONE_BROKER
def test_what_is_kept_in_a_transaction_may_be_replaced_there(
    script: Script, database: str
) -> None:
    with script.transaction():
        first = keyed(script).defer("first")
    with script.transaction():
        assert keyed(script).defer("kept").id == first.id
        assert keyed(script, on_conflict="replace").defer("last").id == first.id
    script.burst()
    assert labels(database) == ["last"]


def test_a_debounce_runs_once_with_the_last_arguments(
    script: Script, database: str
) -> None:
    """The first message is on SQS by then, and comes too early."""
    task = keyed(script, on_conflict="replace", delay=1.5)
    for number in range(100):
        with script.transaction():
            task.defer(str(number))
        if number == 0:
            of_database(database).sender.flush()
    assert len(states(database)) == 1
    run_until(script, lambda: labels(database))
    script.burst()
    assert labels(database) == ["99"]


def test_a_task_moved_forward_runs_then(script: Script, database: str) -> None:
    """It is on SQS for later, and is sent once more."""
    with script.transaction():
        keyed(script, delay=600).defer("later")
    of_database(database).sender.flush()
    with script.transaction():
        keyed(script, on_conflict="replace").defer("now")
    script.burst()
    assert labels(database) == ["now"]


def test_a_rollback_frees_the_key_and_undoes_a_replacement(
    script: Script, database: str, signal_log: SignalLog
) -> None:
    with script.transaction() as transaction:
        keyed(script).defer("never")
        transaction.rollback()
    with script.transaction():
        first = keyed(script).defer("first")
        assert first.is_new
    with script.transaction() as transaction:
        keyed(script).defer("never")
        transaction.rollback()
    with script.transaction() as transaction:
        keyed(script, on_conflict="replace").defer("never")
        transaction.rollback()
    assert signal_log.names().count("task_discarded") == 1
    script.burst()
    assert labels(database) == ["first"]


@ONE_BROKER
def test_cancelling_frees_the_key(script: Script, database: str) -> None:
    with script.transaction():
        open_call = keyed(script).defer("never")
        assert open_call.cancel() is State.PENDING
        waits = keyed(script).defer("nor that")
        assert waits.is_new
    with script.transaction():
        replaced = keyed(script, on_conflict="replace").defer("nor that")
        assert replaced.id == waits.id
        # The replacement, and the task itself.
        assert replaced.cancel().waiting
    with script.transaction():
        assert keyed(script).defer("last").is_new
    script.burst()
    assert labels(database) == ["last"]
    with script.transaction(), pytest.raises(ResultCancelled):
        waits.get(0)


@ONE_BROKER
@pytest.mark.parametrize("on_conflict", ["keep", "replace"])
def test_a_read_only_transaction(
    script: Script, database: str, on_conflict: str
) -> None:
    """It commits nothing: the call is sent at once, or kept, or replaces."""
    task = keyed(script, on_conflict=on_conflict)
    with script.transaction(readonly=True):
        first = task.defer("first")
        second = task.defer("second")
    assert first.is_new
    assert not second.is_new
    assert second.id == first.id
    script.burst()
    assert labels(database) == ["first" if on_conflict == "keep" else "second"]
    with script.transaction(readonly=True):
        assert task.defer("again").is_new


@ONE_BROKER
def test_a_task_that_runs_swallows_nothing(script: Script, database: str) -> None:
    """What it asks for under its own key, it gets."""
    with script.transaction():
        script.record.count_down.defer(2)
    script.burst()
    assert labels(database) == ["2", "1", "0"]


@ONE_BROKER
def test_unless_its_key_is_for_the_whole_run(script: Script, database: str) -> None:
    with script.transaction():
        script.record.count_down.configure(unique_until="finish").defer(2, "finish")
    script.burst()
    assert labels(database) == ["2"]


@ONE_BROKER
def test_a_failed_task_does_not_block_its_key(script: Script) -> None:
    with script.transaction():
        failed = script.record.fail.configure(key="k", max_attempts=1).defer("broken")
    script.burst()
    with script.transaction():
        assert failed.state() is State.FAILED
        assert script.record.fail.configure(key="k").defer("x").is_new


@ONE_BROKER
def test_a_double_click_asks_for_one_report(client: Browser, app: Any) -> None:
    """In another tab, too; another visitor gets one of his own."""

    def ask(visitor: Browser, **options: Any) -> tuple[str, bool]:
        made = visitor.defer("echo", "report", configure={"key": True, **options})
        return made["id"], made["is_new"]

    first, _ = ask(client)
    assert ask(client) == (first, False)
    stranger = Browser(app)
    strange, is_new = ask(stranger)
    assert is_new
    assert strange != first
    assert client.get(f"/async/result/{first}").status_code == 202
    assert stranger.get(f"/async/result/{first}").status_code == 404
    # Shared, it is one for all; so is a task without a result.
    shared, _ = ask(client, shared=True)
    assert ask(stranger, shared=True) == (shared, False)
    quiet, _ = ask(client, ignore_result=True)
    assert ask(stranger, ignore_result=True) == (quiet, False)


def in_parallel(number: int, call: Callable[[int], Any]) -> list[Any]:
    made: list[Any] = []
    barrier = threading.Barrier(number)

    def one(index: int) -> None:
        barrier.wait(30)
        made.append(call(index))

    threads = [threading.Thread(target=one, args=(it,)) for it in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == number
    return made


@ONE_BROKER
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_parallel_requests_with_one_key_make_one_task(
    app: Any,
    client: Browser,
    database: str,
    burst: Any,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of read-only requests, whose rows are written after them."""
    client.csrf_token()
    # Nereid makes its map of addresses for each request, by compile(). In several
    # threads at once that fails now and then in CPython 3.11: "AST constructor
    # recursion depth mismatch".
    one_at_a_time, find_address = threading.Lock(), app.create_url_adapter

    def create_url_adapter(request: Any) -> Any:
        with one_at_a_time:
            return find_address(request)

    monkeypatch.setattr(app, "create_url_adapter", create_url_adapter)
    path = "/en/ask-once" if method == "POST" else "/en/ask-once-readonly"

    def ask(index: int) -> tuple[int, str]:
        answer = client.twin().send(method, path)
        return answer.status_code, answer.text

    # On SQLite they write one after the other, each within five seconds.
    number = 50 if backend.name == "postgresql" else 3
    answers = in_parallel(number, ask)
    assert {status for status, _ in answers} == {200}
    ((task_id,),) = query(database, "SELECT uuid FROM async_task")
    if method == "POST":
        assert {text for _, text in answers} == {task_id}
    burst()
    assert labels(database) == ["once"]


@once
def test_options_that_are_of_no_use(script: Script, tryton_conf: ConfWriter) -> None:
    def refuses(text: str, **options: Any) -> None:
        with pytest.raises(ConfigurationError, match=text):
            script.record.write_entry.configure(**options)

    refuses("key=''", key="")
    refuses("key='xxx.*1 to 255 characters, not 256", key="x" * 256)
    refuses("key=False", key=False)
    refuses("on_conflict='drop': keep or replace", key="k", on_conflict="drop")
    refuses("on_conflict='replace' is of no use without key", on_conflict="replace")
    refuses("unique_until='finish' is of no use", unique_until="finish")
    both = {"on_conflict": "replace", "unique_until": "finish"}
    refuses("with on_conflict='keep' only", key="k", **both)
    replacing = keyed(script, on_conflict="replace")
    assert replacing.configure(key=None).task_options.on_conflict == "keep"
    with script.transaction(), pytest.raises(ConfigurationError, match="not 300"):
        keyed(script, lambda label: label * 300).defer("x")


@ONE_BROKER
def test_a_key_needs_an_outbox(script: Script, tryton_conf: ConfWriter) -> None:
    tryton_conf(broker="sqs", outbox="no")
    with script.transaction(), pytest.raises(ConfigurationError, match="key='k' needs"):
        keyed(script).defer("x")


def test_a_retry_says_that_another_task_has_the_key(
    script: Script, database: str
) -> None:
    task = script.record.fail.configure(key="k")
    with script.transaction():
        failed = task.defer("broken")
    script.burst()
    with script.transaction():
        waits = task.defer("waits")
    why = f"stays, since task {waits.id} has its key"
    assert why in command(database, "retry", failed.id, exit_code=1)
    assert why in command(database, "dead replay", failed.id, exit_code=1)
    listed = command(database, "tasks list", "--key", "k", "--state", "failed")
    assert failed.id in listed
    assert waits.id not in listed
    assert "key:         k" in command(database, "tasks show", failed.id)
    with script.transaction():
        (row,) = Pool().get("async.task").search([("uuid", "=", failed.id)])
    assert f"{waits.id} has its key" in act(database, 1, "retry", [row.id])
    waits.cancel()
    assert "runs again" in command(database, "retry", failed.id)


@once
def test_captured_calls(script: Script) -> None:
    task = keyed(script, on_conflict="replace")
    with script.transaction(), capture() as deferred:
        first = task.defer("first")
        second = task.defer("second")
        kept = keyed(script).defer("kept")
        other = keyed(script, "x", unique_until="finish").defer("other")
        deferred.assert_called_once(task_of(script), "second", key="k")
        assert first.is_new
        assert not second.is_new
        assert {second.id, kept.id} == {first.id}
        assert [it.options["on_conflict"] for it in deferred] == ["replace", "keep"]
        assert [it.options["unique_until"] for it in deferred] == ["start", "finish"]
        assert len(deferred.run()) == 2
        assert second.get() == "second"
        assert task.defer("third").is_new
        assert keyed(script, "x", unique_until="finish").defer("x").is_new
        deferred.clear()
        assert other.id != task.defer("fourth").id
        assert len(deferred) == 1


@once
def test_captured_calls_of_several_transactions(script: Script) -> None:
    task = keyed(script, on_conflict="replace")
    with capture() as deferred:
        with script.transaction():
            first = task.defer("first")
        with script.transaction():
            assert keyed(script).defer("kept").id == first.id
        with script.transaction() as transaction:
            assert task.defer("undone").id == first.id
            transaction.rollback()
        assert [it.args for it in deferred] == [("first",)]
        with script.transaction(readonly=True):
            assert task.defer("second").id == first.id
        assert [it.args for it in deferred] == [("second",)]


def task_of(script: Script) -> Any:
    return script.record.write_entry


@once
def test_many_with_keys(script: Script, database: str) -> None:
    task = keyed(script, lambda label: label[0] if label != "-" else None)
    with script.transaction():
        waits = task.defer("a0")
    with script.transaction():
        made = task.defer_many(["a1", "b1", "b2", "-", "-"])
    assert [it.is_new for it in made] == [False, True, False, True, True]
    assert made[0].id == waits.id
    assert made[1].id == made[2].id
    assert len(states(database)) == 4
