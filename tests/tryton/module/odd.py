"""What tasks may raise, of every odd kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trytond import backend
from trytond.exceptions import UserError

from nereid_async import Retry

HUGE = 3_000_000


class Unreadable(Exception):
    """Has no text, and no form for a log."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class OwnInterrupt(BaseException):
    """As gevent's Timeout and pytest's outcomes are: no Exception."""


#: After these the task runs again.
PASSING: dict[str, Callable[[], BaseException]] = {
    "cancelled": asyncio.CancelledError,
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
    "own": lambda: OwnInterrupt("odd"),
    "unreadable": Unreadable,
    "huge": lambda: ValueError("x" * HUGE),
    "not text": lambda: ValueError("\0 \x1b \ud800 \uffff ☃"),
    "many": lambda: _Unlike([ValueError(n) for n in range(1_000)]),
    "memory": MemoryError,
    "stop": StopIteration,
    "retry": lambda: Retry(delay=0.3),
    "database": lambda: backend.DatabaseOperationalError("the task's own"),
}

#: After these it has failed for good.
FINAL: dict[str, Callable[[], BaseException]] = {
    "exit": lambda: SystemExit("odd"),
    "user": lambda: UserError("odd"),
    "huge, user": lambda: UserError("x" * HUGE),
    "not text, user": lambda: UserError("\0 \x1b \ud800 \uffff ☃"),
}


class _Unlike(Exception):
    """Takes other arguments than it keeps, so that it cannot be copied."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__(*errors)
