"""Every kind of call that can be deferred, deferred, run and answered."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from trytond.pool import Pool

from nereid_async.errors import TaskFailed
from tests import plain_tasks
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query
from tests.marks import ONE_DATABASE, once


def model() -> Any:
    return Pool().get("async_test.record")


def report() -> Any:
    return Pool().get("async_test.report", type="report")


def wizard() -> Any:
    return Pool().get("async_test.wizard", type="wizard")


def old_api(**call: Any) -> Any:
    from trytond.modules.async_sqs import ResultOptions

    options = ResultOptions(ignore_result=False, visibility_timeout=30)
    Async = Pool().get("async.async")
    return Async.defer(result_options=options, **call)


CALLS: dict[str, tuple[Callable[[], Any], Any]] = {
    "classmethod below": (lambda: model().above.defer(2), ["async_test.record", 2]),
    "classmethod above": (lambda: model().below.defer(2), ["async_test.record", 2]),
    "classmethod above, older spelling": (
        lambda: model().below(2, _defer_=True),
        ["async_test.record", 2],
    ),
    "classmethod above, configured": (
        lambda: model().below.configure(max_attempts=2).defer(value=2),
        ["async_test.record", 2],
    ),
    "classmethod above, of the superclass": (
        lambda: model().defer_below(2),
        ["async_test.record", 2],
    ),
    "staticmethod below": (lambda: model().static_above.defer(2, 3), 5),
    "staticmethod above": (lambda: model().static_below.defer(2, 3), 5),
    "staticmethod above, older spelling": (
        lambda: model().static_below(2, 3, _defer_=True),
        5,
    ),
    "keywords": (lambda: model().static_above.defer(2, right=3), 5),
    "older spelling": (
        lambda: model().above(2, _defer_=True),
        ["async_test.record", 2],
    ),
    "report": (lambda: report().build.defer(2026), ["async_test.report", 2026]),
    "wizard": (lambda: wizard().close_year.defer(2026), ["async_test.wizard", 2026]),
    "report, classmethod above": (
        lambda: report().build_below.defer(2026),
        ["async_test.report", 2026],
    ),
    "wizard, classmethod above": (
        lambda: wizard().close_year_below.defer(2026),
        ["async_test.wizard", 2026],
    ),
    "overridden": (lambda: model().overridden.defer("x"), ["x", "base", "override"]),
    "overridden, classmethod above": (
        lambda: model().overridden_below.defer("x"),
        ["async_test.record", "x", "base", "override"],
    ),
    "plain function": (lambda: plain_tasks.multiply.defer(6, 7), 42),
    "older spelling of a function": (
        lambda: plain_tasks.multiply(6, 7, _defer_=True),  # type: ignore[call-arg]
        42,
    ),
    "configured": (
        lambda: model().static_above.configure(max_attempts=2, delay=0).defer(1, 1),
        2,
    ),
    "old API, names": (
        lambda: old_api(method="above", model="async_test.record", args=[2]),
        ["async_test.record", 2],
    ),
    "old API, classes": (
        lambda: old_api(
            method=model().static_above, model=model(), args=[2], kwargs={"right": 3}
        ),
        5,
    ),
    "old API, report": (
        lambda: old_api(method="build", model="async_test.report", args=[1]),
        ["async_test.report", 1],
    ),
}


@pytest.fixture(autouse=True)
def imports(tryton_conf: ConfWriter) -> None:
    """A worker imports the modules of plain functions."""
    tryton_conf(imports="tests.plain_tasks")


@once
@pytest.mark.parametrize("kind", CALLS)
def test_kinds_of_calls(script: Script, kind: str) -> None:
    defer, expected = CALLS[kind]
    assert script.value_of(defer) == expected


@ONE_DATABASE
@pytest.mark.parametrize(
    "method", ["above", "below", "static_above", "static_below", "overridden_below"]
)
def test_options_are_those_of_the_decorator(database: str, method: str) -> None:
    task = getattr(Pool(database).get("async_test.record"), method)
    assert task.task_options.ignore_result is False
    changed = task.configure(queue="other").task_options
    assert (changed.ignore_result, changed.queue) == (False, "other")


def saved(name: str = "before", **values: Any) -> Any:
    (record,) = model().create([{"name": name, **values}])
    return record


INSTANCE_CALLS: dict[str, Callable[[Any], Any]] = {
    "on the record": lambda record: record.rename.defer("after"),
    "on the class": lambda record: model().rename.defer(record, "after"),
    "older spelling": lambda record: record.rename("after", _defer_=True),
    "configured": lambda record: record.rename.configure(max_attempts=1).defer("after"),
    "old API": lambda record: old_api(method="rename", instance=record, args=["after"]),
}


@once
@pytest.mark.parametrize("kind", INSTANCE_CALLS)
def test_instance_methods(script: Script, database: str, kind: str) -> None:
    assert script.value_of(lambda: INSTANCE_CALLS[kind](saved())) == "after"
    assert query(database, "SELECT name FROM async_test_record") == [("after",)]


GROUPED_CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "on the record": lambda record, options: record.rename.configure(**options).defer(
        "after"
    ),
    "on the class": lambda record, options: (
        model().rename.configure(**options).defer(record, "after")
    ),
}


@once
@pytest.mark.parametrize("kind", GROUPED_CALLS)
def test_the_group_of_a_call_is_in_its_row(
    script: Script, database: str, kind: str
) -> None:
    def group(record: Any, name: str) -> str:
        return f"{record.name} {name}"

    with script.transaction():
        record = saved("me")
        GROUPED_CALLS[kind](record, {"group": group})
        GROUPED_CALLS[kind](record, {})
    rows = query(database, "SELECT group_name FROM async_task ORDER BY id")
    assert rows == [("me after",), (None,)]


@once
def test_an_overridden_instance_method(script: Script) -> None:
    value = script.value_of(lambda: saved("me").overridden_instance.defer("x"))
    assert value == ["me", "x", "base", "override"]


@once
def test_a_direct_call_runs_here_and_now(script: Script, database: str) -> None:
    with script.transaction():
        assert model().above(2) == ["async_test.record", 2]
        assert model().below(2) == ["async_test.record", 2]
        assert model().static_below(2, 3) == model().static_above(2, 3) == 5
        assert model().overridden("x") == ["x", "base", "override"]
        assert saved().rename("after") == "after"
        assert plain_tasks.multiply(6, 7) == 42
    assert query(database, "SELECT count(*) FROM async_task") == [(0,)]


@once
def test_a_record_that_was_deleted_meanwhile(script: Script, database: str) -> None:
    """The task fails where it reads it; Tryton's own queue would leave it out."""
    with script.transaction():
        (record,) = script.record.create([{"name": "x"}])
        kept = script.record.echo.defer([record])
        failed = record.rename.configure(max_attempts=1).defer("y")
    with script.transaction():
        script.record.delete(script.record.search([]))
    script.burst()
    with script.transaction():
        assert kept.get(timeout=0) == [record]
        with pytest.raises(TaskFailed):
            failed.get(timeout=0)


@once
def test_methods_without_the_decorator(script: Script, database: str) -> None:
    with script.transaction():
        Pool().get("async.async").defer(
            method="plain", model="async_test.record", args=["old api"]
        )
    script.burst()
    assert labels(database) == ["old api"]


@once
def test_only_decorated_ones_if_told_so(
    script: Script, tryton_conf: ConfWriter, database: str
) -> None:
    from nereid_async.errors import DeferralError

    tryton_conf(only_tasks="yes")
    with script.transaction():
        Async = Pool().get("async.async")
        with pytest.raises(DeferralError, match="plain"):
            Async.defer(method="plain", model="async_test.record", args=["x"])
        Async.defer(method="bare", model="async_test.record", args=["decorated"])
    script.burst()
    assert labels(database) == ["decorated"]


def test_the_older_module_paths() -> None:
    from trytond.modules import async_sqs

    import nereid_async

    assert async_sqs.async_task is nereid_async.async_task
    assert async_sqs.AsyncResult is nereid_async.AsyncResult


def test_records_arrive_as_they_are_in_the_database(script: Script) -> None:
    def defer() -> Any:
        records = [saved(amount=Decimal("1.10")), saved(amount=Decimal("2.05"))]
        return model().add_amounts.defer(records)

    assert script.value_of(defer) == Decimal("3.15")


@once
def test_a_record_travels_both_ways(script: Script) -> None:
    with script.transaction():
        record = saved()
        lists = [[record, record], (record,), {"one": record}, []]
        results = [model().echo.defer(value) for value in [record, *lists]]
    script.burst()
    with script.transaction():
        one, *others = (result.get(timeout=20) for result in results)
        assert type(one).__name__ == "async_test.record"
        assert one == record
        assert others == lists


def test_delays_are_kept(script: Script, database: str) -> None:
    with script.transaction():
        model().write_entry.configure(delay=3_600).defer("late")
        model().write_entry.defer("now")
    script.burst()
    assert labels(database) == ["now"]


def test_delays_longer_than_the_queue_holds_wait_in_the_row(
    script: Script, database: str
) -> None:
    with script.transaction():
        model().write_entry.configure(delay=30 * 86_400).defer("in a month")
    script.burst()
    assert labels(database) == []
    assert query(database, "SELECT state FROM async_task") == [("pending",)]


def test_a_queue_of_its_own(script: Script, database: str) -> None:
    with script.transaction():
        model().write_entry.configure(queue="mail").defer("mail")
        model().write_entry.defer("default")
    script.burst()
    assert labels(database) == ["default"]
    script.burst("mail")
    assert labels(database) == ["default", "mail"]
