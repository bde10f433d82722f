"""Celery on SQS, as its documentation has it; tuned by two variables."""

from __future__ import annotations

import os
import time

from celery import Celery, signals

from benchmarks.contenders import work

_tuned = os.environ.get("BENCH_TUNED") == "1"

app = Celery("bench", broker="sqs://")
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "predefined_queues": {
            os.environ["BENCH_QUEUE"]: {
                "url": f"{os.environ['BENCH_SQS']}/000000000000/"
                f"{os.environ['BENCH_QUEUE']}"
            }
        },
        **({"polling_interval": 0.01} if _tuned else {}),
    },
    task_default_queue=os.environ["BENCH_QUEUE"],
    task_ignore_result=True,
    task_acks_late=True,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=10 if _tuned else 4,
    broker_connection_retry_on_startup=True,
)


@app.task(name="run")
def run(name: str, sent_at_s: float) -> None:
    work.run(name, sent_at_s)


@signals.celeryd_init.connect
def _load(**_: object) -> None:
    # Once, before the processes are forked.
    work.load_pool()


@signals.worker_process_init.connect
def _forked(**_: object) -> None:
    from trytond import backend

    # Connections do not survive a fork.
    backend.Database(work.database()).close()


def prepare() -> None:
    """Make the queue."""
    import boto3

    boto3.client("sqs").create_queue(QueueName=os.environ["BENCH_QUEUE"])


def send_many(name: str, number: int) -> None:
    """Send one after the other: it has no batches."""
    for _ in range(number):
        run.delay(name, time.monotonic())


def enqueue(name: str) -> None:
    """Send one; it knows of no transaction."""
    run.delay(name, time.monotonic())


send = enqueue


def close() -> None:
    """Nothing is left to do."""
