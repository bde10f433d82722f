"""A mixed load for the metrics: tasks of several queues, and the process that defers.

python -m benchmarks.metrics_load SECONDS PORT      serves its own metrics at the port
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

from nereid_async import Retry, async_task

#: At which part of the time more is deferred at once than workers can do.
_RUSH_AT, _RUSH_TASKS = 0.4, 1_500


@async_task(queue="mail", retry_on=(OSError,))
def mail() -> None:
    """Waits for a mail server, which is busy now and then, or knows nobody there."""
    time.sleep(random.expovariate(1 / 0.04))
    luck = random.random()
    if luck < 0.06:
        raise Retry(delay=1)
    if luck < 0.08:
        raise LookupError("nobody there")


@async_task(queue="reports", priority=7, max_attempts=2)
def report() -> None:
    """Takes its time."""
    time.sleep(random.uniform(0.3, 1.5))
    if random.random() < 0.05:
        raise ValueError("nothing to report")


def defer_for(seconds: float) -> None:
    """Defer both, more and less of them."""
    from trytond.transaction import Transaction

    from benchmarks.contenders import work

    begun_s, rush = time.monotonic(), _RUSH_TASKS
    while (passed_s := time.monotonic() - begun_s) < seconds:
        with Transaction().start(work.database(), 1) as transaction:
            number = 1
            if passed_s > _RUSH_AT * seconds:
                number, rush = number + rush, 0
            for _ in range(number):
                mail.defer()
            if random.random() < 0.2:
                report.configure(delay=random.choice([0, 0, 20])).defer()
            if random.random() < 0.02:
                transaction.rollback()
        time.sleep(random.expovariate(8 if passed_s % 60 < 40 else 3))


def main() -> None:
    """Defer what the arguments say, measured."""
    from prometheus_client import start_http_server

    # By its own name, by which the worker knows its tasks.
    from benchmarks import metrics_load
    from benchmarks.contenders import work
    from nereid_async.metrics import measure

    measure()
    work.load_pool()
    seconds, port = sys.argv[1:]
    served: Any = start_http_server(int(port), "127.0.0.1")
    metrics_load.defer_for(float(seconds))
    served[0].shutdown()


if __name__ == "__main__":
    main()
