"""Many at once: ``defer_many``."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest
from trytond.pool import Pool

from nereid_async import async_task
from nereid_async.deferred_call import DeferredCall
from nereid_async.errors import (
    ConfigurationError,
    DeferralError,
    MessageTooLarge,
    NereidAsyncError,
    ResultMissing,
    SerializationError,
)
from nereid_async.testing import capture, inline
from tests import plain_tasks
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query, states
from tests.marks import once


@pytest.fixture(autouse=True)
def imports(tryton_conf: ConfWriter) -> None:
    """A worker imports the modules of plain functions."""
    tryton_conf(imports="tests.plain_tasks")


def model() -> Any:
    return Pool().get("async_test.record")


def test_each_kind_of_task_takes_many(script: Script, database: str) -> None:
    with script.transaction():
        Record = model()
        records = Record.create([{"name": str(number)} for number in range(3)])
        made = [
            *Record.above.defer_many([(1,), {"value": 2}, 3]),
            *Record.static_below.defer_many([(1, 2), {"left": 3, "right": 4}]),
            *plain_tasks.multiply.defer_many((n, n) for n in range(2)),
            *records[0].rename.defer_many(["own"]),
            *Record.rename.defer_many([(records[1], "a"), (records[2], "b")]),
            *Record.overridden_instance.configure(priority=2).defer_many(
                [(records[0], "first")]
            ),
            *Record.noted.defer_many(records),
        ]
        assert Record.above.defer_many([]) == []
    of_name = ["async_test.record"]
    assert len({it.id for it in made}) == len(made)
    rows = query(database, "SELECT uuid, priority FROM async_task ORDER BY id")
    assert [uuid for uuid, _ in rows] == [it.id for it in made]
    assert [priority for _, priority in rows].count(2) == 1
    script.burst()
    with script.transaction():
        assert [it.get(20) for it in made[:7]] == [
            [*of_name, 1], [*of_name, 2], [*of_name, 3], 3, 7, 0, 1,
        ]  # fmt: skip
        assert sorted(record.name for record in model().browse(records)) == [
            "a", "b", "own",
        ]  # fmt: skip
    assert len(labels(database)) == 3


#: What is wrong with one of the calls, and what is said.
BAD: dict[str, tuple[Callable[[], Any], Any, type[Exception], str]] = {
    "too few": (lambda: model().write_entry, (), TypeError, "missing.*'label'"),
    "unknown": (lambda: model().write_entry, {"x": 1}, TypeError, "unexpected|missing"),
    "a list": (lambda: model().write_entry, ["x"], TypeError, "a list: .* a tuple"),
    "a value that cannot travel": (
        lambda: model().write_entry,
        (object(),),
        SerializationError,
        "argument 'label'",
    ),
    "too large": (
        lambda: model().write_entry,
        ("x" * 70_000_000,),
        MessageTooLarge,
        "'label'",
    ),
    "no text of a group": (
        lambda: model().write_entry.configure(group=lambda label: label or None),
        ("x" * 300,),
        ConfigurationError,
        "group=.*255",
    ),
}


@once
@pytest.mark.parametrize("fault", BAD)
def test_one_bad_call_is_named_and_none_is_deferred(
    script: Script, database: str, fault: str
) -> None:
    task, arguments, kind, text = BAD[fault]
    with script.transaction():
        calls: list[Any] = [(str(number),) for number in range(12)]
        calls[7] = arguments
        with pytest.raises(kind, match=rf"^calls\[7\]: .*{text}"):
            task().defer_many(calls)
    assert states(database) == []


@once
def test_what_is_wrong_with_all_of_them(script: Script, database: str) -> None:
    with script.transaction():
        Record = model()
        for calls in ("text", {"label": "x"}, 5, Record(1)):
            with pytest.raises(TypeError, match=r"defer_many takes a list"):
                Record.write_entry.defer_many(calls)
        with pytest.raises(SerializationError, match=r"calls\[1\]: .*not saved"):
            Record.noted.defer_many([Record(1), Record(name="new")])
        with pytest.raises(DeferralError, match=r"calls\[0\]: .*top of a module"):
            async_task(lambda label: None).defer_many([("x",)])
    with pytest.raises(NereidAsyncError, match=r"^async_test.record.write_entry was"):
        script.record.write_entry.defer_many([("x",)])
    assert states(database) == []


@once
def test_a_rollback_drops_all_of_them(script: Script, database: str) -> None:
    with script.transaction() as transaction:
        dropped = model().write_entry.defer_many(["a", "b"])
        transaction.rollback()
        kept = model().write_entry.defer_many(["c", "d"])
        kept[0].cancel()
        with pytest.raises(ResultMissing, match="rolled back"):
            dropped[1].ready()
    assert query(database, "SELECT uuid FROM async_task") == [(kept[1].id,)]


@once
def test_nothing_is_kept_of_calls_whose_handles_are_gone(script: Script) -> None:
    def held() -> int:
        gc.collect()
        return sum(type(it) is DeferredCall for it in gc.get_objects())

    before = held()
    with script.transaction():
        results = model().write_entry.defer_many(str(n) for n in range(1_200))
        assert held() == before + len(results)
    del results
    assert held() == before


@once
def test_a_read_only_transaction_writes_them_together(
    script: Script, database: str
) -> None:
    with script.transaction(readonly=True):
        script.record.write_entry.defer_many(["a", "b", "c"])
    assert states(database) == ["pending"] * 3


@once
def test_each_is_captured(script: Script) -> None:
    with script.transaction():
        Record = model()
        with capture() as deferred:
            results = Record.write_entry.defer_many(["a", {"label": "b"}])
            Record.write_entry.defer("c")
        deferred.assert_called_once(Record.write_entry, "a")
        deferred.assert_called_once(Record.write_entry, label="b")
        assert [it.id for it in deferred][:2] == [it.id for it in results]
        deferred.run()
        assert [it.get() for it in results] == ["a", "b"]
        with inline() as ran:
            Record.write_entry.defer_many(["d", "e"])
        assert [it.state for it in ran] == ["done", "done"]


@once
def test_it_is_told(script: Script) -> None:
    with script.transaction():
        for task in (model().above, model().rename, plain_tasks.multiply):
            assert "defer_many" in dir(task)


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_its_cost_beside_that_of_records(script: Script) -> None:
    """In processor time of this thread, in turns: another process takes none of it."""

    def save() -> None:
        for number in range(500):
            model()(name=str(number)).save()

    def defer() -> None:
        for number in range(500):
            model().write_entry.defer(str(number))

    def defer_many() -> None:
        model().write_entry.defer_many(str(number) for number in range(500))

    def seconds(work: Callable[[], None]) -> float:
        with script.transaction() as transaction:
            began_s = time.thread_time()
            work()
            transaction.commit()
            return time.thread_time() - began_s

    spent = [[seconds(it) for it in (save, defer, defer_many)] for _ in range(4)]
    saved_s, deferred_s, many_s = (min(it) for it in zip(*spent, strict=True))
    assert deferred_s < 0.2 * saved_s
    assert many_s < 0.2 * saved_s
