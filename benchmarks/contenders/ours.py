"""Ours: one module for either broker, which the configuration names."""

from __future__ import annotations

import time
from typing import Any

from trytond.transaction import Transaction

from benchmarks.contenders import ours_tasks, work

#: When the sending of each batch began: its transaction had committed by then.
sends: list[float] = []


def prepare() -> None:
    """Load the pool, and note when something is sent from now on."""
    from nereid_async.runtime import of_database

    work.load_pool()
    sender = of_database(work.database()).sender
    send = sender.send

    def noted(*committed: Any) -> None:
        sends.append(time.monotonic())
        send(*committed)

    sender.send = noted  # type: ignore[method-assign]


def enqueue(name: str) -> None:
    """Defer one, inside a transaction."""
    task: Any = getattr(ours_tasks, name)
    task.defer(time.monotonic())


def _defer(name: str, number: int) -> None:
    with Transaction().start(work.database(), 1) as transaction:
        for _ in range(number):
            enqueue(name)
        transaction.commit()


def send_many(name: str, number: int) -> None:
    """Defer in transactions of a thousand."""
    while number > 0:
        _defer(name, min(number, 1_000))
        number -= 1_000


def send(name: str) -> None:
    """Defer one, commit."""
    _defer(name, 1)


def close() -> None:
    """Note at once what was sent, as the end of a process does."""
    from nereid_async.runtime import of_database

    of_database(work.database()).sender.flush()
