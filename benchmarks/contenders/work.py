"""What the tasks do; the same for all contenders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from trytond import backend
from trytond.config import config
from trytond.pool import Pool
from trytond.transaction import Transaction

from benchmarks.measures import mark

#: How long the long one takes, besides its writing.
LONG_S = 0.02


def begin(sent_at_s: float) -> None:
    """Note that the task starts."""
    mark(os.environ["BENCH_MARKS"], sent_at_s)


def write() -> None:
    """Write one row, inside a transaction."""
    Pool().get("async_test.entry").create([{"label": "bench"}])


def wait() -> None:
    """Wait as for a mail server."""
    time.sleep(LONG_S)


#: What a contender's view does besides; set by the process that serves it.
enqueue: Callable[[str], None]


def database() -> str:
    """The database of this measurement."""
    return os.environ["BENCH_DATABASE"]


def load_pool() -> None:
    """Load the pool, as a worker does at its start."""
    with Transaction().start(database(), 0, readonly=True):
        Pool(database()).init()


def in_transaction(work: Any) -> None:
    """What a Tryton shop writes around a task of a foreign queue."""
    retries = config.getint("database", "retry")
    for count in range(retries + 1):
        with Transaction().start(database(), 1) as transaction:
            try:
                work()
                transaction.commit()
                return
            except backend.DatabaseOperationalError:
                transaction.rollback()
                if count == retries:
                    raise


def run(work: str, sent_at_s: float) -> None:
    """Do one of the works: tiny, nothing or long."""
    begin(sent_at_s)
    if work == "long":
        wait()
    if work != "nothing":
        in_transaction(write)
