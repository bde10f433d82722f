"""The assertions of ``nereid_async.testing``: that they hold, and how they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from unittest.mock import ANY

import pytest

from nereid_async import async_task, mail
from nereid_async.errors import SerializationError
from nereid_async.testing import Capture, capture
from tests.marks import ONE_DATABASE

pytestmark = ONE_DATABASE


@async_task(queue="mail")
def send(order: Any, copy: bool = False, *, lines: Any = ()) -> None:
    """Stand for a task with each kind of parameter."""


@pytest.fixture
def record(database: str) -> Iterator[Any]:
    """The test model, in a transaction that is rolled back."""
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    with Transaction().start(database, 1) as transaction:
        yield Pool().get("async_test.record")
        transaction.rollback()


@pytest.fixture
def deferred(record: Any) -> Iterator[Capture]:
    """Captures what the test defers."""
    with capture() as deferred:
        yield deferred


def failure(assertion: Any, *args: Any, **keywords: Any) -> str:
    """The text with which an assertion fails; ids of records as ``#``."""
    with pytest.raises(AssertionError) as caught:
        assertion(*args, **keywords)
    return re.sub(r"record\(\d+\)", "record(#)", str(caught.value))


def test_calls_that_are_as_expected(record: Any, deferred: Capture) -> None:
    one, two = record.create([{"name": "one"}, {"name": "two"}])
    send.defer(one, lines=[two, {"a": (1, two)}])
    one.rename.defer("b")
    record.rename.configure(delay=5, priority=2).defer(two, name="c")
    record.below.defer(1)

    call = deferred.assert_called(send)
    assert call == deferred[0]
    # Defaults, names of parameters, equal records, options of the declaration.
    deferred.assert_called(send, record(one.id), False, lines=[two, {"a": (1, two)}])
    deferred.assert_called(send, order=one, lines=ANY, queue="mail", delay=0)
    deferred.assert_called(one.rename, "b")
    deferred.assert_called(one.rename)
    deferred.assert_called(record.rename, one, "b")
    deferred.assert_called(record.rename, two, name="c", delay=5, priority=2)
    deferred.assert_called_once(record.rename, name="c")
    deferred.assert_called_once(record.below, 1)
    assert deferred.assert_call_count(2, record.rename) == deferred[1:3]
    deferred.assert_not_called(record.rename, one, "c")
    deferred.assert_not_called(record.above)
    deferred.clear()
    deferred.assert_not_called()


def test_each_kind_of_task(record: Any, deferred: Capture) -> None:
    from trytond.pool import Pool

    for task in (record.above, record.below, record.overridden_below, record.bare):
        task.defer("a")
        deferred.assert_called_once(task, "a")
    for task in (record.static_above, record.static_below):
        task.defer(1, right=2)
        deferred.assert_called_once(task, 1, 2)
    report = Pool().get("async_test.report", type="report")
    wizard = Pool().get("async_test.wizard", type="wizard")
    for task in (report.build, report.build_below, wizard.close_year):
        task.defer(2026)
        deferred.assert_called_once(task, year=2026)
    assert deferred.run() == list(deferred)


def test_a_mail(deferred: Capture) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "shop@example.com", "ada@example.com"
    message["Subject"] = "Your order"
    mail.send_mail(message, queue="mail")
    call = deferred.assert_called_once(
        mail.send, ANY, "shop@example.com", ["ada@example.com"], ANY, queue="mail"
    )
    assert call.args[0]["Subject"] == "Your order"


def test_methods_without_the_decorator(record: Any, deferred: Capture) -> None:
    from trytond.pool import Pool

    Pool().get("async.async").defer("plain", "async_test.record", args=["a"])
    deferred.assert_called(record.plain, "a")
    deferred.assert_not_called(record.plain, "b")


def test_never_deferred(record: Any, deferred: Capture) -> None:
    assert failure(deferred.assert_called, record.echo, 1) == (
        "async_test.record.echo was not deferred; expected:\n"
        "  async_test.record.echo(args=(1,), kwargs={})\n"
        "nothing was"
    )
    record.below.defer(1)
    assert failure(deferred.assert_called_once, send) == (
        "tests.integration.test_capture_assertions:send was not deferred; expected:\n"
        "  tests.integration.test_capture_assertions:send(...)\n"
        "what was deferred:\n"
        "  async_test.record.below(1)"
    )


def test_rolled_back(record: Any, deferred: Capture) -> None:
    from trytond.transaction import Transaction

    with Transaction().new_transaction() as inner:
        record.below.defer(1)
        inner.rollback()
    assert failure(deferred.assert_called, record.below, 1, queue="mail") == (
        "async_test.record.below was not deferred; expected:\n"
        "  async_test.record.below(value=1) with queue='mail'\n"
        "nothing was\n"
        "rolled back with its transaction:\n"
        "  async_test.record.below(1)"
    )


def test_the_closest_calls_argument_by_argument(record: Any, deferred: Capture) -> None:
    one, two = record.create([{"name": "one"}, {"name": "two"}])
    for order in (one, two):
        send.configure(queue="slow").defer(order, lines=[1])
    send.defer(two, lines=[1])
    text = failure(deferred.assert_called, send, two, True, lines=[1], queue="mail")
    task = "tests.integration.test_capture_assertions:send"
    assert text == (
        f"{task} was deferred 3 times, but never like this:\n"
        f"  {task}(order=async_test.record(#), copy=True, lines=[1]) "
        "with queue='mail'\n"
        "the closest first:\n"
        f"  1. {task}(async_test.record(#), lines=[1])\n"
        "     copy: expected True\n"
        "           deferred False\n"
        f"  2. {task}(async_test.record(#), lines=[1])\n"
        "     copy: expected True\n"
        "           deferred False\n"
        "     option queue: expected 'mail'\n"
        "                   deferred 'slow'\n"
        f"  3. {task}(async_test.record(#), lines=[1])\n"
        "     order: expected async_test.record(#)\n"
        "            deferred async_test.record(#)\n"
        "     copy: expected True\n"
        "           deferred False\n"
        "     option queue: expected 'mail'\n"
        "                   deferred 'slow'"
    )


def test_only_some_calls_are_shown(record: Any, deferred: Capture) -> None:
    for number in range(12):
        record.below.defer(number)
    text = failure(deferred.assert_called, record.below, 99)
    assert "  3. async_test.record.below(2)\n" in text
    assert text.endswith("\n  and 9 more")
    assert failure(deferred.assert_called, send).endswith("below(9)\n  and 2 more")


def test_long_values_line_by_line(record: Any, deferred: Capture) -> None:
    rows = [{"product": f"a product with a name, number {i}"} for i in range(3)]
    send.defer(1, lines=rows)
    expected = [*rows[:2], {"product": "another"}]
    assert failure(deferred.assert_called, send, 1, lines=expected).endswith(
        "     lines (- expected, + deferred):\n"
        "         [{'product': 'a product with a name, number 0'},\n"
        "          {'product': 'a product with a name, number 1'},\n"
        "       -  {'product': 'another'}]\n"
        "       +  {'product': 'a product with a name, number 2'}]"
    )


def test_another_record(record: Any, deferred: Capture) -> None:
    one, two = record.create([{"name": "one"}, {"name": "two"}])
    one.rename.defer("a")
    assert failure(deferred.assert_called, two.rename, "a") == (
        "async_test.record.rename was deferred once, but never like this:\n"
        "  async_test.record.rename(async_test.record(#), name='a')\n"
        "but:\n"
        "  1. async_test.record.rename(async_test.record(#), 'a')\n"
        "     record: expected async_test.record(#)\n"
        "             deferred async_test.record(#)"
    )


def test_too_often_and_too_seldom(record: Any, deferred: Capture) -> None:
    record.below.defer(1)
    record.below.defer(1)
    assert failure(deferred.assert_called_once, record.below, 1) == (
        "async_test.record.below was deferred twice like this, expected once:\n"
        "  async_test.record.below(value=1)\n"
        "the calls:\n"
        "  async_test.record.below(1)\n"
        "  async_test.record.below(1)"
    )
    assert failure(deferred.assert_call_count, 3, record.below).startswith(
        "async_test.record.below was deferred twice like this, expected 3 times:"
    )
    assert failure(deferred.assert_not_called, record.below).startswith(
        "async_test.record.below was deferred twice like this, expected not at all:"
    )
    assert failure(deferred.assert_not_called) == (
        "something was deferred:\n"
        "  async_test.record.below(1)\n"
        "  async_test.record.below(1)"
    )


def test_expectations_that_no_call_can_meet(record: Any, deferred: Capture) -> None:
    with pytest.raises(SerializationError, match=r"send: order: .* not saved"):
        deferred.assert_called(send, record(name="new"))
    with pytest.raises(SerializationError, match=r"rename: .* is not saved"):
        deferred.assert_called(record(name="new").rename, "a")
    with pytest.raises(TypeError, match=r"send: missing a required argument: 'order'"):
        deferred.assert_called(send, copy=True)
    with pytest.raises(TypeError, match=r"quue='mail': .*:send has no such parameter"):
        deferred.assert_called(send, 1, quue="mail")
    with pytest.raises(TypeError, match="expect its options as keywords"):
        deferred.assert_called(send.configure(queue="mail"), 1)
    with pytest.raises(TypeError, match="'send' is no task"):
        deferred.assert_called("send", 1)
