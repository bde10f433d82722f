"""Options of a task: checked where they are written."""

from __future__ import annotations

import inspect
import rlcompleter
from dataclasses import fields
from typing import Any, cast

import pytest

from nereid_async.errors import ConfigurationError, DeferralError, NoTransaction
from nereid_async.task import async_task
from nereid_async.task_options import TaskOptions
from nereid_async.task_types import Changes, Declaration
from tests.helpers import grows_in_proportion

TEXT = {"DataType": "String", "StringValue": "mail"}
CALLS: list[tuple[Any, ...]] = []


@async_task(ignore_result=False, visibility_timeout=90, queue="mail", max_attempts=2)
def remember(*args: Any) -> int:
    CALLS.append(args)
    return len(args)


@async_task
def bare(name: str) -> str:
    return name


class Shop:
    @async_task
    def open(self) -> None: ...

    @async_task
    @classmethod
    def find(cls) -> None: ...


def test_a_task_that_is_called_runs_here() -> None:
    CALLS.clear()
    assert remember(1, 2) == 2
    assert CALLS == [(1, 2)]
    assert bare("x") == "x"


def test_the_decorator_keeps_the_function_recognisable() -> None:
    assert remember.__name__ == "remember"
    assert remember.__module__ == __name__


def test_declared_options() -> None:
    options = remember.task_options
    assert options.ignore_result is False
    assert options.visibility_timeout == 90
    assert options.queue == "mail"
    assert options.max_attempts == 2
    assert bare.task_options.ignore_result is True


def test_configure_changes_a_copy() -> None:
    changed = remember.configure(delay=30, queue="other")
    assert changed.task_options.delay == 30
    assert changed.task_options.queue == "other"
    assert changed.task_options.visibility_timeout == 90
    assert remember.task_options.queue == "mail"
    assert changed(1) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("visibility_timeout", 0),
        ("visibility_timeout", 43_201),
        ("visibility_timeout", "soon"),
        ("visibility_timeout", True),
        ("max_attempts", 0),
        ("max_attempts", 1_001),
        ("priority", -1),
        ("priority", 10),
        ("priority", 2.5),
        ("priority", True),
        ("priority", "high"),
        ("priority", None),
        ("time_limit", 0),
        ("time_limit", -1),
        ("time_limit", float("nan")),
        ("time_limit", float("inf")),
        ("time_limit", True),
        ("time_limit", "soon"),
        ("retry_delay", 0),
        ("retry_delay", -1),
        ("retry_delay", 3_601),
        ("retry_delay", float("nan")),
        ("retry_delay", float("inf")),
        ("retry_delay", "1"),
        ("retry_delay", True),
        ("delay", -1),
        ("delay", float("nan")),
        ("delay", float("inf")),
        ("delay", None),
        ("queue", ""),
        ("queue", "a b"),
        ("queue", "q" * 81),
        ("attributes", "kind=mail"),
        ("attributes", {str(i): TEXT for i in range(11)}),
        ("cancellable", "no"),
        ("shared", "no"),
        ("notify", 1),
        ("dealy", 3),
    ],
)
def test_a_bad_option_is_named(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=option):
        bare.configure(**{option: value})


def test_what_everybody_reads_nobody_cancels() -> None:
    with pytest.raises(ConfigurationError, match="shared"):
        bare.configure(shared=True, cancellable=True)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"a-b_c.D9": TEXT},
        {"count": {"DataType": "Number.int", "StringValue": "3"}},
        {"price": {"DataType": "Number", "StringValue": "-1.5e3"}},
        {"image": {"DataType": "Binary.png", "BinaryValue": b"\x89PNG"}},
    ],
)
def test_attributes_as_boto3_takes_them(attributes: dict[str, Any]) -> None:
    changed = bare.configure(attributes=attributes)
    assert changed.task_options.attributes == attributes


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("", TEXT),
        (7, TEXT),
        ("a b", TEXT),
        ("a..b", TEXT),
        (".a", TEXT),
        ("a.", TEXT),
        ("AWS.trace", TEXT),
        ("amazon.trace", TEXT),
        ("n" * 257, TEXT),
        ("kind", "mail"),
        ("kind", {}),
        ("kind", {"StringValue": "mail"}),
        ("kind", {"DataType": "Text", "StringValue": "mail"}),
        ("kind", {"DataType": ["String"], "StringValue": "mail"}),
        ("kind", {"DataType": "String.a b", "StringValue": "mail"}),
        ("kind", {"DataType": "Number", "StringValue": "three"}),
        ("kind", {"DataType": "Number", "StringValue": "NaN"}),
        ("kind", {"DataType": "String", "StringValue": ""}),
        ("kind", {"DataType": "String", "StringValue": "\0"}),
        ("kind", {"DataType": "String", "StringValue": 3}),
        ("kind", {"DataType": "String", "BinaryValue": b"mail"}),
        ("kind", {"DataType": "Binary", "BinaryValue": "mail"}),
        ("kind", {"DataType": "Binary", "BinaryValue": b""}),
        ("kind", {**TEXT, "StringListValues": ["mail"]}),
    ],
)
def test_a_bad_attribute_is_named(name: Any, attribute: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"attribute {name!r}"):
        bare.configure(attributes={name: attribute})


@pytest.mark.parametrize(
    "option", ["visibility_timeout", "max_attempts", "time_limit", "queue"]
)
def test_the_decorator_checks_as_well(option: str) -> None:
    bad = "a b" if option == "queue" else 0
    with pytest.raises(ConfigurationError, match=option):
        async_task(**cast(Any, {option: bad}))(lambda: None)


def test_without_a_transaction() -> None:
    with pytest.raises(NoTransaction, match="Transaction"):
        bare.defer("x")
    with pytest.raises(NoTransaction):
        bare("x", _defer_=True)  # type: ignore[call-arg]


def test_a_nested_function_cannot_be_found_by_a_worker() -> None:
    @async_task
    def nested() -> None: ...

    with pytest.raises(DeferralError, match="nested"):
        nested.defer()


def test_checking_a_number_takes_time_in_proportion() -> None:
    def check(digits: int) -> None:
        text = "1" * digits + "x"
        with pytest.raises(ConfigurationError):
            remember.configure(
                attributes={"n": {"DataType": "Number", "StringValue": text}}
            )

    assert grows_in_proportion(check, 1_000)


@pytest.mark.parametrize("option", ["retry_on", "public_errors"])
def test_exception_classes_are_of_the_declaration(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option):
        remember.configure(**{option: ValueError})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=option):
        async_task(**{option: ["ValueError"]})  # type: ignore[call-overload]
    assert getattr(async_task(**{option: OSError})(len).task_options, option) == (  # type: ignore[call-overload]
        OSError,
    )


def test_checkers_know_all_options() -> None:
    declared = set(inspect.signature(async_task).parameters) - {"function"}
    assert set(Declaration.__annotations__) == declared
    options = {field.name for field in fields(TaskOptions)}
    assert set(Changes.__annotations__) == options - {"retry_on", "public_errors"}


@pytest.mark.parametrize("task", ["bare", "Shop.open", "Shop.find", "shop.open"])
def test_a_shell_completes_what_a_task_has(task: str) -> None:
    shell = rlcompleter.Completer({"bare": bare, "Shop": Shop, "shop": Shop()})
    for name in ("defer", "configure", "task_options", "__doc__"):
        found = shell.complete(f"{task}.{name[:-1]}", 0)
        assert found is not None and found.startswith(f"{task}.{name}")


@pytest.mark.parametrize("group", ["", "x" * 256, "a\0b", 7])
def test_a_group_that_cannot_be_stored(group: Any) -> None:
    with pytest.raises(ConfigurationError, match="group="):
        remember.configure(group=group)
    with pytest.raises(ConfigurationError, match="remember: group="):
        remember.configure(group=lambda: group).task_options.of_call((), {}, "remember")


def test_what_a_group_and_a_key_may_be_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"group=7: .*a function of .* one$"):
        remember.configure(group=7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"key=False: .*; or True, for the"):
        remember.configure(key=False)  # type: ignore[arg-type]


def test_the_group_of_a_call() -> None:
    def group(*args: Any, **kwargs: Any) -> str:
        return f"{args} {kwargs}"

    options = remember.configure(group=group).task_options
    assert options.of_call((1,), {"b": 2}, "remember").group == "(1,) {'b': 2}"
    assert remember.task_options.of_call((1,), {}, "remember").group is None
