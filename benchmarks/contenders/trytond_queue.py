"""trytond's own queue and worker."""

from __future__ import annotations

import time

from trytond.pool import Pool
from trytond.transaction import Transaction

from benchmarks.contenders import work


def prepare() -> None:
    """Load the pool."""
    work.load_pool()


def _put(name: str, number: int) -> None:
    with Transaction().start(
        work.database(), 1, context={"queue_batch": None}
    ) as transaction:
        record = Pool().get("async_test.entry")
        for _ in range(number):
            record.__queue__.bench(name, time.monotonic())
        transaction.commit()


def send_many(name: str, number: int) -> None:
    """Put them all into the queue."""
    _put(name, number)


def send(name: str) -> None:
    """Put one into the queue."""
    _put(name, 1)


def close() -> None:
    """Nothing is left to do."""
