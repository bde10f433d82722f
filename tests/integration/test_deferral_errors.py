"""What is wrong is said at defer, in the view, and nothing of it is sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from trytond.pool import Pool
from werkzeug.datastructures import MultiDict

from devtools.apps import SECRET_KEY
from devtools.browser import Browser
from nereid_async.errors import (
    ConfigurationError,
    DeferralError,
    DelayTooLong,
    MessageTooLarge,
    NoTransaction,
    SerializationError,
)
from tests import plain_tasks
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import labels, states
from tests.marks import ONE_DATABASE, once


def model() -> Any:
    return Pool().get("async_test.record")


@pytest.fixture
def nothing_left(script: Script, database: str) -> Callable[[], None]:
    """Fails if anything was deferred after all."""

    def check() -> None:
        script.burst()
        assert states(database) == []
        assert labels(database) == []

    return check


@once
def test_without_a_transaction(script: Script, nothing_left: Any) -> None:
    with pytest.raises(NoTransaction, match="Transaction"):
        script.record.write_entry.defer("x")
    with pytest.raises(NoTransaction, match="Transaction"):
        plain_tasks.write_label.defer("x")
    nothing_left()


@once
def test_after_the_transaction(script: Script, nothing_left: Any) -> None:
    with script.transaction():
        Record = model()
    with pytest.raises(NoTransaction):
        Record.write_entry.defer("x")
    nothing_left()


UNSAVED: dict[str, tuple[Callable[[], Any], str]] = {
    "argument": (lambda: model().write_entry.defer(model()(name="new")), "label"),
    "keyword": (lambda: model().write_entry.defer(label=model()()), "label"),
    "in a list": (lambda: model().add_amounts.defer([model()()]), "records"),
    "of several": (lambda: model().static_above.defer(1, model()()), "right"),
    "instance": (lambda: model()(name="new").rename.defer("x"), "rename"),
    "instance on the class": (lambda: model().rename.defer(model()(), "x"), "rename"),
}


@once
@pytest.mark.parametrize("kind", UNSAVED)
def test_an_unsaved_record_is_named(
    script: Script, nothing_left: Any, kind: str
) -> None:
    defer, name = UNSAVED[kind]
    with script.transaction():
        with pytest.raises(SerializationError) as caught:
            defer()
    assert "async_test.record" in str(caught.value)
    assert name in str(caught.value)
    assert "save" in str(caught.value)
    nothing_left()


@once
@pytest.mark.parametrize(
    "value",
    [object(), {1}, lambda: None, math, 10**5_000, MultiDict([("size", "S")])],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_travel_is_named(
    script: Script, nothing_left: Any, value: Any
) -> None:
    with script.transaction():
        with pytest.raises(SerializationError, match=r"write_entry.*'label'"):
            model().write_entry.defer(value)
        with pytest.raises(SerializationError, match="'label'"):
            model().write_entry.defer(label={"deep": [value]})
    nothing_left()


@once
def test_too_large_names_the_argument(script: Script, nothing_left: Any) -> None:
    with script.transaction():
        with pytest.raises(MessageTooLarge) as caught:
            model().static_above.defer("x", right="y" * 1_048_576)
    assert "'right'" in str(caught.value)
    assert caught.value.size_bytes > caught.value.limit_bytes == 1_048_576
    nothing_left()


def test_just_below_the_limit_travels(script: Script) -> None:
    size = 1_000_000
    value = script.value_of(lambda: model().echo.defer("x" * size))
    assert value == "x" * size


@once
def test_a_context_value_that_cannot_travel_is_named(
    script: Script, nothing_left: Any
) -> None:
    with script.transaction(customer=object()):
        with pytest.raises(SerializationError, match="context key 'customer'"):
            model().write_entry.defer("x")
    nothing_left()


@once
def test_private_context_is_left_at_home(script: Script, database: str) -> None:
    with script.transaction(_private=object()):
        model().write_entry.defer("sent")
    script.burst()
    assert labels(database) == ["sent"]


@once
def test_arguments_that_do_not_fit(script: Script, nothing_left: Any) -> None:
    with script.transaction():
        calls: tuple[Callable[[], Any], ...] = (
            lambda: model().write_entry.defer(),
            lambda: model().write_entry.defer("a", "b"),
            lambda: model().write_entry.defer(lable="a"),
            lambda: model().rename.defer(),
        )
        for defer in calls:
            with pytest.raises(TypeError, match=r"^Record\.\w+: "):
                defer()
    nothing_left()


@once
def test_unknown_and_bad_options_are_named(script: Script, nothing_left: Any) -> None:
    with script.transaction():
        with pytest.raises(ConfigurationError, match="dealy"):
            model().write_entry.configure(dealy=1).defer("x")
        with pytest.raises(ConfigurationError, match="a queue"):
            model().write_entry.configure(queue="a queue").defer("x")
        with pytest.raises(ConfigurationError, match="delay"):
            model().write_entry.configure(delay=-1).defer("x")
    nothing_left()


@once
def test_the_old_api_names_what_is_missing(script: Script, nothing_left: Any) -> None:
    with script.transaction():
        Async = Pool().get("async.async")
        with pytest.raises(DeferralError, match="model"):
            Async.defer(method="bare")
        with pytest.raises(DeferralError, match="no_such_method"):
            Async.defer(method="no_such_method", model="async_test.record")
        with pytest.raises(Exception, match=r"no\.such\.model"):
            Async.defer(method="bare", model="no.such.model")
        with pytest.raises(SerializationError, match="save"):
            Async.defer(method="rename", instance=model()(), args=["x"])
    nothing_left()


def test_an_error_takes_nothing_else_with_it(script: Script, database: str) -> None:
    with script.transaction():
        model().write_entry.defer("before")
        with pytest.raises(SerializationError):
            model().write_entry.defer(object())
        model().write_entry.defer("after")
    script.burst()
    assert sorted(labels(database)) == ["after", "before"]


@ONE_DATABASE
def test_a_long_delay_on_bare_sqs(
    database: str, tryton_conf: ConfWriter, ministack: str
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **sqs_settings(ministack))
    with Script(database).transaction() as transaction:
        with pytest.raises(DelayTooLong) as caught:
            model().write_entry.configure(delay=901).defer("x")
        assert (caught.value.delay_s, caught.value.limit_s) == (901, 900)
        assert "outbox" in str(caught.value)
        model().write_entry.configure(delay=900).defer("x")
        transaction.rollback()


@ONE_DATABASE
def test_a_task_that_can_be_cancelled_needs_a_row(
    database: str, tryton_conf: ConfWriter, ministack: str
) -> None:
    tryton_conf(signing_key=SECRET_KEY, outbox="no", **sqs_settings(ministack))
    with Script(database).transaction() as transaction:
        with pytest.raises(ConfigurationError, match=r"cancellable.*outbox = yes"):
            model().write_entry.configure(cancellable=True).defer("x")
        transaction.rollback()


@ONE_DATABASE
def test_an_error_in_a_view_is_an_error_of_that_view(
    app_factory: AppFactory, database: str
) -> None:
    browser = Browser(app_factory(PROPAGATE_EXCEPTIONS=True))
    with pytest.raises(MessageTooLarge, match="'args'"):
        browser.defer("echo", "x" * 1_048_576)
    assert states(database) == []


def test_a_database_without_the_module(
    databases: Any, tryton_conf: ConfWriter, fresh_database: str
) -> None:
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    tryton_conf(signing_key=SECRET_KEY)
    # As if the module had never been activated.
    pool = Pool._pool[fresh_database]["model"]
    for name in ("async.task", "async.run", "async.async"):
        del pool[name]
    with Transaction().start(fresh_database, 1):
        with pytest.raises(ConfigurationError, match=r"trytond-admin .*-u async_sqs"):
            model().write_entry.defer("x")
