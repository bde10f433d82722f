"""What nothing can be faster than: a loop of transactions, and a loop of boto3.

python -m benchmarks.contenders.bare transactions|messages|pool
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from benchmarks.contenders import work


def transactions() -> None:
    """Run tiny after tiny."""
    work.load_pool()
    while True:
        work.run("tiny", time.monotonic())


def messages() -> None:
    """Receive ten, delete ten; the bodies say when they were sent."""
    sqs, url = _queue()
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20
        )
        received = answer.get("Messages", [])
        for message in received:
            work.begin(float(message["Body"]))
        if received:
            sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]}
                    for i, message in enumerate(received)
                ],
            )


def pool() -> None:
    """Load the pool, make a client, and do nothing."""
    work.load_pool()
    _queue()
    work.begin(time.monotonic())
    signal.pause()


def _queue() -> tuple[Any, str]:
    import boto3

    sqs = boto3.client("sqs")
    return sqs, sqs.create_queue(QueueName=os.environ["BENCH_QUEUE"])["QueueUrl"]


_sender: Any = None


def prepare() -> None:
    """Make the queue."""
    global _sender
    _sender = _queue()


def send_many(name: str, number: int) -> None:
    """Send in batches of ten."""
    sqs, url = _sender
    for start in range(0, number, 10):
        sqs.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(i), "MessageBody": repr(time.monotonic())}
                for i in range(min(10, number - start))
            ],
        )


def enqueue(name: str) -> None:
    """Send one; it knows of no transaction."""
    sqs, url = _sender
    sqs.send_message(QueueUrl=url, MessageBody=repr(time.monotonic()))


send = enqueue


def close() -> None:
    """Nothing is left to do."""


if __name__ == "__main__":
    {"transactions": transactions, "messages": messages, "pool": pool}[sys.argv[1]]()
