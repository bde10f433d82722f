"""Ours: one module for either broker, which the configuration names.

``BENCH_VARIANT`` gives each task a unique ``key``, or one of 100 groups (``group``), or
makes all that are sent at once a ``batch``.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import Any

from trytond.transaction import Transaction

from benchmarks.contenders import ours_tasks, work
from nereid_async import NereidAsync

#: The options of each task, by variant.
OPTIONS: dict[str, dict[str, Any]] = {
    "key": {"key": repr},
    "group": {"group": lambda sent_at_s: str(int(sent_at_s * 1e6) % 100)},
}
VARIANT = os.environ.get("BENCH_VARIANT", "")

#: When the sending of each batch began: its transaction had committed by then.
sends: list[float] = []


_extension = NereidAsync()


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
    if VARIANT in OPTIONS:
        task = task.configure(**OPTIONS[VARIANT])
    task.defer(time.monotonic())


def _defer(name: str, number: int) -> None:
    with Transaction().start(work.database(), 1) as transaction:
        with _extension.batch("bench") if VARIANT == "batch" else nullcontext():
            for _ in range(number):
                enqueue(name)
        transaction.commit()


def send_many(name: str, number: int) -> None:
    """Defer in transactions of a thousand; a batch in one."""
    most = number if VARIANT == "batch" else 1_000
    while number > 0:
        _defer(name, min(number, most))
        number -= most


def send(name: str) -> None:
    """Defer one, commit."""
    _defer(name, 1)


def close() -> None:
    """Note at once what was sent, as the end of a process does."""
    from nereid_async.runtime import of_database

    of_database(work.database()).sender.flush()
