"""dramatiq on SQS with dramatiq-sqs."""

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, TimeLimit
from dramatiq_sqs import SQSBroker

from benchmarks.contenders import work

# Its own advice, and without the middleware that answers Prometheus.
broker = SQSBroker(
    namespace=os.environ["BENCH_QUEUE"],
    middleware=[AgeLimit(), TimeLimit(), Callbacks(), Pipelines(), Retries()],
)
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=3)
def run(name: str, sent_at_s: float) -> None:
    work.run(name, sent_at_s)


class _Pool(dramatiq.Middleware):
    def after_process_boot(self, broker: object) -> None:
        work.load_pool()


broker.add_middleware(_Pool())


def prepare() -> None:
    """Make the queue, as the broker does at the first message."""
    broker.declare_queue("default")


def send_many(name: str, number: int) -> None:
    """Send one after the other: it has no batches."""
    for _ in range(number):
        run.send(name, time.monotonic())


def enqueue(name: str) -> None:
    """Send one; it knows of no transaction."""
    run.send(name, time.monotonic())


send = enqueue


def close() -> None:
    """Nothing is left to do."""
