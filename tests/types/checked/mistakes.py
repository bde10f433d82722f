"""Mistakes in the use of tasks; no code that runs.

Each line that ends in ``# error:`` is one, and says of what kind: see test_checkers.py.
"""

from __future__ import annotations

from right import Order, async_ext, extension, extension_queued, plain, queued

import nereid_async
from nereid_async import AsyncResult, async_task


def defer(order: Order) -> None:
    plain.defer("1")  # error: argument
    plain.defer()  # error: call
    plain.defer(1, "", 2)  # error: call
    plain.defer(1, texts="")  # error: call
    queued.defer("1")  # error: argument
    queued.defer()  # error: call
    queued.defer(1, "", 2)  # error: call
    queued.defer(1, texts="")  # error: call
    extension.defer("1")  # error: argument
    extension.defer()  # error: call
    extension.defer(1, "", 2)  # error: call
    extension.defer(1, texts="")  # error: call
    extension_queued.defer("1")  # error: argument
    extension_queued.defer()  # error: call
    extension_queued.defer(1, "", 2)  # error: call
    extension_queued.defer(1, texts="")  # error: call
    order.method.defer("1")  # error: argument
    order.method.defer()  # error: call
    order.method.defer(1, "", 2)  # error: call
    order.method.defer(1, texts="")  # error: call
    order.method_queued.defer("1")  # error: argument
    order.method_queued.defer()  # error: call
    order.method_queued.defer(1, "", 2)  # error: call
    order.method_queued.defer(1, texts="")  # error: call
    Order.method.defer(order, "1")  # error: argument
    Order.method.defer(order)  # error: call
    Order.method.defer(order, 1, "", 2)  # error: call
    Order.method.defer(order, 1, texts="")  # error: call
    Order.above.defer("1")  # error: argument
    Order.above.defer()  # error: call
    Order.above.defer(1, "", 2)  # error: call
    Order.above.defer(1, texts="")  # error: call
    order.above_queued.defer("1")  # error: argument
    order.above_queued.defer()  # error: call
    order.above_queued.defer(1, "", 2)  # error: call
    order.above_queued.defer(1, texts="")  # error: call
    Order.below.defer("1")  # error: argument
    Order.below.defer()  # error: call
    Order.below.defer(1, "", 2)  # error: call
    Order.below.defer(1, texts="")  # error: call
    order.below_queued.defer("1")  # error: argument
    order.below_queued.defer()  # error: call
    order.below_queued.defer(1, "", 2)  # error: call
    order.below_queued.defer(1, texts="")  # error: call
    Order.static_above.defer("1")  # error: argument
    Order.static_above.defer()  # error: call
    Order.static_above.defer(1, "", 2)  # error: call
    Order.static_above.defer(1, texts="")  # error: call
    Order.static_below.defer("1")  # error: argument
    Order.static_below.defer()  # error: call
    Order.static_below.defer(1, "", 2)  # error: call
    Order.static_below.defer(1, texts="")  # error: call


def defer_many(order: Order) -> None:
    number: int
    plain.defer_many()  # error: call
    plain.defer_many(1)  # error: argument
    plain.defer_many([(1,)], 2)  # error: call
    order.method.defer_many(1)  # error: argument
    Order.below.configure(delay=1).defer_many()  # error: call
    number = plain.defer_many([(1,)])[0].get()  # error: type
    number = Order.method.defer_many([(order, 1)])[0].get()  # error: type
    Order.above.defer_several([(1,)])  # error: attribute
    print(number)


def call(order: Order) -> None:
    plain("1")  # error: argument
    plain(1, texts="")  # error: call
    queued("1")  # error: argument
    queued(1, texts="")  # error: call
    extension("1")  # error: argument
    extension(1, texts="")  # error: call
    extension_queued("1")  # error: argument
    extension_queued(1, texts="")  # error: call
    order.method("1")  # error: argument
    order.method(1, texts="")  # error: call
    order.method_queued("1")  # error: argument
    order.method_queued(1, texts="")  # error: call
    Order.method(order, "1")  # error: argument
    Order.method(order, 1, texts="")  # error: call
    Order.above("1")  # error: argument
    Order.above(1, texts="")  # error: call
    order.above_queued("1")  # error: argument
    order.above_queued(1, texts="")  # error: call
    Order.below("1")  # error: argument
    Order.below(1, texts="")  # error: call
    order.below_queued("1")  # error: argument
    order.below_queued(1, texts="")  # error: call
    Order.static_above("1")  # error: argument
    Order.static_above(1, texts="")  # error: call
    Order.static_below("1")  # error: argument
    Order.static_below(1, texts="")  # error: call


def configure(order: Order) -> None:
    plain.configure(delay=1).defer("1")  # error: argument
    plain.configure(delays=1)  # error: call
    plain.configure(delay="1")  # error: argument
    queued.configure(delay=1).defer("1")  # error: argument
    queued.configure(delays=1)  # error: call
    queued.configure(delay="1")  # error: argument
    extension.configure(delay=1).defer("1")  # error: argument
    extension.configure(delays=1)  # error: call
    extension.configure(delay="1")  # error: argument
    extension_queued.configure(delay=1).defer("1")  # error: argument
    extension_queued.configure(delays=1)  # error: call
    extension_queued.configure(delay="1")  # error: argument
    order.method.configure(delay=1).defer("1")  # error: argument
    order.method.configure(delays=1)  # error: call
    order.method.configure(delay="1")  # error: argument
    order.method_queued.configure(delay=1).defer("1")  # error: argument
    order.method_queued.configure(delays=1)  # error: call
    order.method_queued.configure(delay="1")  # error: argument
    Order.method.configure(delay=1).defer(order, "1")  # error: argument
    Order.method.configure(delays=1)  # error: call
    Order.method.configure(delay="1")  # error: argument
    Order.above.configure(delay=1).defer("1")  # error: argument
    Order.above.configure(delays=1)  # error: call
    Order.above.configure(delay="1")  # error: argument
    order.above_queued.configure(delay=1).defer("1")  # error: argument
    order.above_queued.configure(delays=1)  # error: call
    order.above_queued.configure(delay="1")  # error: argument
    Order.below.configure(delay=1).defer("1")  # error: argument
    Order.below.configure(delays=1)  # error: call
    Order.below.configure(delay="1")  # error: argument
    order.below_queued.configure(delay=1).defer("1")  # error: argument
    order.below_queued.configure(delays=1)  # error: call
    order.below_queued.configure(delay="1")  # error: argument
    Order.static_above.configure(delay=1).defer("1")  # error: argument
    Order.static_above.configure(delays=1)  # error: call
    Order.static_above.configure(delay="1")  # error: argument
    Order.static_below.configure(delay=1).defer("1")  # error: argument
    Order.static_below.configure(delays=1)  # error: call
    Order.static_below.configure(delay="1")  # error: argument
    plain.configure(retry_on=ValueError)  # error: call
    plain.configure(30)  # error: call
    plain.configure(priority=0.5)  # error: argument
    plain.configure(key=1)  # error: argument
    plain.configure(key=lambda: 1)  # error: argument
    plain.configure(group=1)  # error: argument
    plain.configure(group=True)  # error: argument
    plain.configure(group=lambda: 1)  # error: argument
    plain.configure(groups="a")  # error: call
    plain.configure(key="k", on_conflict="drop")  # error: argument
    plain.configure(key="k", unique_until="end")  # error: argument


def results(order: Order) -> None:
    number: int
    number = plain.defer(1).get()  # error: type
    number = queued.defer(1).get()  # error: type
    number = extension.defer(1).get()  # error: type
    number = extension_queued.defer(1).get()  # error: type
    number = order.method.defer(1).get()  # error: type
    number = order.method_queued.defer(1).get()  # error: type
    number = Order.method.defer(order, 1).get()  # error: type
    number = Order.above.defer(1).get()  # error: type
    number = order.above_queued.defer(1).get()  # error: type
    number = Order.below.defer(1).get()  # error: type
    number = order.below_queued.defer(1).get()  # error: type
    number = Order.static_above.defer(1).get()  # error: type
    number = Order.static_below.defer(1).get()  # error: type
    text: str = plain.defer(1).wait(5)  # error: type
    called: int = plain(1)  # error: type
    done = plain.defer(1).progress().done  # error: none
    over = plain.defer(1).state().over  # error: attribute
    other: AsyncResult[int] = plain.defer(1)  # error: type
    print(number, text, called, other, done, over)


def batches(order: Order) -> None:
    plain.prepare("1")  # error: argument
    plain.prepare()  # error: call
    order.method.prepare(1, colour="red")  # error: call
    Order.below.configure(delay=1).prepare("1")  # error: argument
    plain.defer_many(1)  # error: argument
    plain.defer_many()  # error: call
    prepared: int = plain.prepare(1).defer().get()  # error: type
    async_ext.batch()  # error: call
    async_ext.batch("News", after=plain.prepare(1))  # error: call
    async_ext.batch("News", then=plain)  # error: argument
    async_ext.batch("News", on_failure=plain.defer(1))  # error: argument
    with async_ext.batch("News") as batch:
        batch.then = plain.defer(1)  # error: set
    counts: list[int] = batch.result.get()  # error: type
    new: str = plain.defer(1).is_new  # error: type
    print(prepared, counts, new)


def names(order: Order) -> None:
    plain.deferred(1)  # error: attribute
    Order.below.configured()  # error: attribute
    order.method.later()  # error: attribute
    plain(1, _defer_=True)  # error: call
    nereid_async.deferred(1)  # error: attribute


@async_task(queues="mail")  # error: option
def unknown_option() -> None: ...


@async_task(queue=1)  # error: option
def wrong_option() -> None: ...


@async_ext.task(delay=5)  # error: option
def option_of_configure() -> None: ...
