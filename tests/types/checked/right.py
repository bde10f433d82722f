"""Right uses of tasks; no code that runs.

The checkers find nothing here, and know each type: see test_checkers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trytond.model import ModelSQL

from nereid_async import (
    AsyncResult,
    NereidAsync,
    Progress,
    State,
    async_task,
    current_task,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type

    from nereid_async.rows import EndedBatch

async_ext = NereidAsync()


@async_task
def plain(number: int, text: str = "") -> str:
    return text * number


@async_task(queue="mail")
def queued(number: int, text: str = "") -> str:
    return text * number


@async_ext.task
def extension(number: int, text: str = "") -> str:
    return text * number


@async_ext.task(queue="mail")
def extension_queued(number: int, text: str = "") -> str:
    return text * number


class Order(ModelSQL):
    @async_task
    def method(self, number: int, text: str = "") -> str:
        return text * number

    @async_task(queue="mail")
    def method_queued(self, number: int, text: str = "") -> str:
        return text * number

    @async_task
    @classmethod
    def above(cls, number: int, text: str = "") -> str:
        return text * number

    @async_task(queue="mail")
    @classmethod
    def above_queued(cls, number: int, text: str = "") -> str:
        return text * number

    @classmethod
    @async_task
    def below(cls, number: int, text: str = "") -> str:
        return text * number

    @classmethod
    @async_task(queue="mail")
    def below_queued(cls, number: int, text: str = "") -> str:
        return text * number

    @async_task
    @staticmethod
    def static_above(number: int, text: str = "") -> str:
        return text * number

    @staticmethod
    @async_task
    def static_below(number: int, text: str = "") -> str:
        return text * number

    @classmethod
    @async_task
    def nothing(cls) -> None: ...

    @async_task
    def anything(self, *numbers: int, **texts: str) -> int:
        return len(numbers)

    @async_task
    @staticmethod
    def static_of_anything(value: Any) -> bool:
        return bool(value)

    def use(self) -> None:
        assert_type(self.method.defer(1), AsyncResult[str])
        assert_type(self.above.defer(1), AsyncResult[str])
        assert_type(self.below.defer(number=1, text=""), AsyncResult[str])

    @classmethod
    def use_class(cls) -> None:
        assert_type(cls.above.defer(1), AsyncResult[str])
        assert_type(cls.below.defer(1), AsyncResult[str])


class Invoice(Order):
    """Inherits the tasks."""


def defer(order: Order, invoice: Invoice) -> None:
    assert_type(plain.defer(1, text="x"), AsyncResult[str])
    assert_type(plain.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(plain(1), str)
    assert_type(queued.defer(1, text="x"), AsyncResult[str])
    assert_type(queued.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(queued(1), str)
    assert_type(extension.defer(1, text="x"), AsyncResult[str])
    assert_type(extension.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(extension(1), str)
    assert_type(extension_queued.defer(1, text="x"), AsyncResult[str])
    assert_type(extension_queued.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(extension_queued(1), str)
    assert_type(order.method.defer(1, text="x"), AsyncResult[str])
    assert_type(order.method.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(order.method(1), str)
    assert_type(order.method_queued.defer(1, text="x"), AsyncResult[str])
    assert_type(order.method_queued.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(order.method_queued(1), str)
    assert_type(Order.method.defer(order, 1, text="x"), AsyncResult[str])
    assert_type(Order.method.configure(delay=5, queue=None).defer(order, 1).get(), str)
    assert_type(Order.method(order, 1), str)
    assert_type(Order.above.defer(1, text="x"), AsyncResult[str])
    assert_type(Order.above.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(Order.above(1), str)
    assert_type(order.above_queued.defer(1, text="x"), AsyncResult[str])
    assert_type(order.above_queued.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(order.above_queued(1), str)
    assert_type(Order.below.defer(1, text="x"), AsyncResult[str])
    assert_type(Order.below.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(Order.below(1), str)
    assert_type(order.below_queued.defer(1, text="x"), AsyncResult[str])
    assert_type(order.below_queued.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(order.below_queued(1), str)
    assert_type(Order.static_above.defer(1, text="x"), AsyncResult[str])
    assert_type(Order.static_above.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(Order.static_above(1), str)
    assert_type(Order.static_below.defer(1, text="x"), AsyncResult[str])
    assert_type(Order.static_below.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(Order.static_below(1), str)
    assert_type(Invoice.above.defer(1, text="x"), AsyncResult[str])
    assert_type(Invoice.above.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(Invoice.above(1), str)
    assert_type(Invoice.below.defer(1, text="x"), AsyncResult[str])
    assert_type(Invoice.below.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(Invoice.below(1), str)
    assert_type(Invoice.method.defer(invoice, 1, text="x"), AsyncResult[str])
    assert_type(
        Invoice.method.configure(delay=5, queue=None).defer(invoice, 1).get(), str
    )
    assert_type(Invoice.method(invoice, 1), str)
    assert_type(invoice.method.defer(1, text="x"), AsyncResult[str])
    assert_type(invoice.method.configure(delay=5, queue=None).defer(1).get(), str)
    assert_type(invoice.method(1), str)
    assert_type(Order.nothing.defer(), AsyncResult[None])
    assert_type(order.anything.defer(1, 2, a="b"), AsyncResult[int])
    assert_type(Order.static_of_anything.defer(order), AsyncResult[bool])
    assert_type(order.static_of_anything.defer(value=1), AsyncResult[bool])


def defer_many(order: Order) -> None:
    calls = [(1, "x"), {"number": 2}, 3]
    assert_type(plain.defer_many(calls), Sequence[AsyncResult[str]])
    assert_type(queued.configure(delay=1).defer_many(calls)[0].get(), str)
    assert_type(order.method.defer_many(calls)[0], AsyncResult[str])
    assert_type(Order.method.defer_many([(order, 1)])[0], AsyncResult[str])
    assert_type(Order.below.defer_many(n for n in range(3))[0], AsyncResult[str])
    assert_type(Order.static_above.defer_many([(1,)])[0], AsyncResult[str])


def prepared(order: Order) -> None:
    call = order.method.prepare(1, text="x")
    assert_type(call.defer().get(), str)
    assert_type(Order.nothing.prepare().defer(), AsyncResult[None])
    assert_type(plain.configure(delay=1).prepare(1).defer(), AsyncResult[str])
    with async_ext.batch("News", then=call, on_failure=None, shared=True) as batch:
        plain.defer(1)
    assert_type(batch.id, str)
    assert_type(batch.result.get(), dict[str, int])
    assert_type(batch.result.progress(), Progress | None)
    with NereidAsync.batch("News", cancellable=True) as other:
        other.then = Order.below.prepare(1)
        with current_task.join_batch():
            plain.defer(1)
    assert_type(current_task.batch_id, str | None)
    assert_type(plain.defer(1).is_new, bool)
    assert_type(plain.defer_many([1, 2])[0].is_new, bool)


def ended(batch: EndedBatch) -> None:
    assert_type(batch.state, State)
    assert_type(batch.done + batch.failed + batch.cancelled, int)


def results() -> None:
    result = plain.configure(ignore_result=False).defer(1)
    assert_type(result.get(5), str)
    assert_type(result.wait(5), str | None)
    assert_type(result.state(), State)
    assert_type(result.progress(), Progress | None)
    again: AsyncResult[str] = AsyncResult(result.id)
    assert_type(again.get(), str)
    assert_type(AsyncResult[int](result.id).get(), int)
    assert_type(AsyncResult(result.id).get(), Any)
    wider: AsyncResult[str | int] = result
    unsaid: AsyncResult = result
    print(wider, unsaid, plain.__name__, Order.below.task_options.queue)


@async_task(retry_on=(ValueError, OSError), public_errors=ValueError, max_attempts=None)
def options() -> None: ...


plain.configure(key=True, on_conflict="replace", unique_until="start")
plain.configure(group="all").configure(group=lambda number: f"group {number}")
plain.configure(key=lambda number: str(number)).defer(1)
plain.configure(
    delay=0.5, priority=0, time_limit=30, attributes={"a": {}}, cancellable=True
)
