"""Mistakes in the use of tasks; no code that runs.

Each line that ends in ``# E:`` is one, and says of what kind: see test_checkers.py.
"""

from __future__ import annotations

from right import Order, async_ext, extension, extension_queued, plain, queued

import nereid_async
from nereid_async import AsyncResult, async_task


def defer(order: Order) -> None:
    plain.defer("1")  # E: argument
    plain.defer()  # E: call
    plain.defer(1, "", 2)  # E: call
    plain.defer(1, texts="")  # E: call
    queued.defer("1")  # E: argument
    queued.defer()  # E: call
    queued.defer(1, "", 2)  # E: call
    queued.defer(1, texts="")  # E: call
    extension.defer("1")  # E: argument
    extension.defer()  # E: call
    extension.defer(1, "", 2)  # E: call
    extension.defer(1, texts="")  # E: call
    extension_queued.defer("1")  # E: argument
    extension_queued.defer()  # E: call
    extension_queued.defer(1, "", 2)  # E: call
    extension_queued.defer(1, texts="")  # E: call
    order.method.defer("1")  # E: argument
    order.method.defer()  # E: call
    order.method.defer(1, "", 2)  # E: call
    order.method.defer(1, texts="")  # E: call
    order.method_queued.defer("1")  # E: argument
    order.method_queued.defer()  # E: call
    order.method_queued.defer(1, "", 2)  # E: call
    order.method_queued.defer(1, texts="")  # E: call
    Order.method.defer(order, "1")  # E: argument
    Order.method.defer(order)  # E: call
    Order.method.defer(order, 1, "", 2)  # E: call
    Order.method.defer(order, 1, texts="")  # E: call
    Order.above.defer("1")  # E: argument
    Order.above.defer()  # E: call
    Order.above.defer(1, "", 2)  # E: call
    Order.above.defer(1, texts="")  # E: call
    order.above_queued.defer("1")  # E: argument
    order.above_queued.defer()  # E: call
    order.above_queued.defer(1, "", 2)  # E: call
    order.above_queued.defer(1, texts="")  # E: call
    Order.below.defer("1")  # E: argument
    Order.below.defer()  # E: call
    Order.below.defer(1, "", 2)  # E: call
    Order.below.defer(1, texts="")  # E: call
    order.below_queued.defer("1")  # E: argument
    order.below_queued.defer()  # E: call
    order.below_queued.defer(1, "", 2)  # E: call
    order.below_queued.defer(1, texts="")  # E: call
    Order.static_above.defer("1")  # E: argument
    Order.static_above.defer()  # E: call
    Order.static_above.defer(1, "", 2)  # E: call
    Order.static_above.defer(1, texts="")  # E: call
    Order.static_below.defer("1")  # E: argument
    Order.static_below.defer()  # E: call
    Order.static_below.defer(1, "", 2)  # E: call
    Order.static_below.defer(1, texts="")  # E: call


def call(order: Order) -> None:
    plain("1")  # E: argument
    plain(1, texts="")  # E: call
    queued("1")  # E: argument
    queued(1, texts="")  # E: call
    extension("1")  # E: argument
    extension(1, texts="")  # E: call
    extension_queued("1")  # E: argument
    extension_queued(1, texts="")  # E: call
    order.method("1")  # E: argument
    order.method(1, texts="")  # E: call
    order.method_queued("1")  # E: argument
    order.method_queued(1, texts="")  # E: call
    Order.method(order, "1")  # E: argument
    Order.method(order, 1, texts="")  # E: call
    Order.above("1")  # E: argument
    Order.above(1, texts="")  # E: call
    order.above_queued("1")  # E: argument
    order.above_queued(1, texts="")  # E: call
    Order.below("1")  # E: argument
    Order.below(1, texts="")  # E: call
    order.below_queued("1")  # E: argument
    order.below_queued(1, texts="")  # E: call
    Order.static_above("1")  # E: argument
    Order.static_above(1, texts="")  # E: call
    Order.static_below("1")  # E: argument
    Order.static_below(1, texts="")  # E: call


def configure(order: Order) -> None:
    plain.configure(delay=1).defer("1")  # E: argument
    plain.configure(delays=1)  # E: call
    plain.configure(delay="1")  # E: argument
    queued.configure(delay=1).defer("1")  # E: argument
    queued.configure(delays=1)  # E: call
    queued.configure(delay="1")  # E: argument
    extension.configure(delay=1).defer("1")  # E: argument
    extension.configure(delays=1)  # E: call
    extension.configure(delay="1")  # E: argument
    extension_queued.configure(delay=1).defer("1")  # E: argument
    extension_queued.configure(delays=1)  # E: call
    extension_queued.configure(delay="1")  # E: argument
    order.method.configure(delay=1).defer("1")  # E: argument
    order.method.configure(delays=1)  # E: call
    order.method.configure(delay="1")  # E: argument
    order.method_queued.configure(delay=1).defer("1")  # E: argument
    order.method_queued.configure(delays=1)  # E: call
    order.method_queued.configure(delay="1")  # E: argument
    Order.method.configure(delay=1).defer(order, "1")  # E: argument
    Order.method.configure(delays=1)  # E: call
    Order.method.configure(delay="1")  # E: argument
    Order.above.configure(delay=1).defer("1")  # E: argument
    Order.above.configure(delays=1)  # E: call
    Order.above.configure(delay="1")  # E: argument
    order.above_queued.configure(delay=1).defer("1")  # E: argument
    order.above_queued.configure(delays=1)  # E: call
    order.above_queued.configure(delay="1")  # E: argument
    Order.below.configure(delay=1).defer("1")  # E: argument
    Order.below.configure(delays=1)  # E: call
    Order.below.configure(delay="1")  # E: argument
    order.below_queued.configure(delay=1).defer("1")  # E: argument
    order.below_queued.configure(delays=1)  # E: call
    order.below_queued.configure(delay="1")  # E: argument
    Order.static_above.configure(delay=1).defer("1")  # E: argument
    Order.static_above.configure(delays=1)  # E: call
    Order.static_above.configure(delay="1")  # E: argument
    Order.static_below.configure(delay=1).defer("1")  # E: argument
    Order.static_below.configure(delays=1)  # E: call
    Order.static_below.configure(delay="1")  # E: argument
    plain.configure(retry_on=ValueError)  # E: call
    plain.configure(30)  # E: call
    plain.configure(priority=0.5)  # E: argument


def results(order: Order) -> None:
    number: int
    number = plain.defer(1).get()  # E: type
    number = queued.defer(1).get()  # E: type
    number = extension.defer(1).get()  # E: type
    number = extension_queued.defer(1).get()  # E: type
    number = order.method.defer(1).get()  # E: type
    number = order.method_queued.defer(1).get()  # E: type
    number = Order.method.defer(order, 1).get()  # E: type
    number = Order.above.defer(1).get()  # E: type
    number = order.above_queued.defer(1).get()  # E: type
    number = Order.below.defer(1).get()  # E: type
    number = order.below_queued.defer(1).get()  # E: type
    number = Order.static_above.defer(1).get()  # E: type
    number = Order.static_below.defer(1).get()  # E: type
    text: str = plain.defer(1).wait(5)  # E: type
    called: int = plain(1)  # E: type
    done = plain.defer(1).progress().done  # E: none
    over = plain.defer(1).state().over  # E: attribute
    other: AsyncResult[int] = plain.defer(1)  # E: type
    print(number, text, called, other, done, over)


def names(order: Order) -> None:
    plain.deferred(1)  # E: attribute
    Order.below.configured()  # E: attribute
    order.method.later()  # E: attribute
    plain(1, _defer_=True)  # E: call
    nereid_async.deferred(1)  # E: attribute


@async_task(queues="mail")  # E: option
def unknown_option() -> None: ...


@async_task(queue=1)  # E: option
def wrong_option() -> None: ...


@async_ext.task(delay=5)  # E: option
def option_of_configure() -> None: ...
