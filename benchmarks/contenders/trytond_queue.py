"""trytond's own queue and worker."""

from __future__ import annotations

import time

from trytond.pool import Pool
from trytond.transaction import Transaction

from benchmarks.contenders import work

_records: list[int] = []


def prepare() -> None:
    """Load the pool; make a record, for its tasks are called on some."""
    work.load_pool()
    with Transaction().start(work.database(), 1) as transaction:
        work.write()
        _records[:] = [
            record.id for record in Pool().get("async_test.entry").search([])
        ]
        transaction.commit()


def enqueue(name: str) -> None:
    """Put one into the queue, inside a transaction."""
    Pool().get("async_test.entry").__queue__.bench(_records, name, time.monotonic())


def _put(name: str, number: int) -> None:
    with Transaction().start(work.database(), 1) as transaction:
        for _ in range(number):
            enqueue(name)
        transaction.commit()


def send_many(name: str, number: int) -> None:
    """Put them all into the queue."""
    _put(name, number)


def send(name: str) -> None:
    """Put one into the queue."""
    _put(name, 1)


def close() -> None:
    """Nothing is left to do."""
