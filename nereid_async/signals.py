"""Signals (blinker) that tell what happens to a task.

The sender is the name of the database; the argument ``message`` is the
:class:`~.messages.message.Message`. Receivers run in the process of the event: the
caller's or a worker's. An exception in a receiver is logged and changes nothing.

``task_deferred``
    The task was deferred; its transaction has not committed yet.
``task_merged``
    No new task was made, since one of the same key waits: ``task_id`` is that one's;
    with ``replaced`` it becomes ``message``, else it stands.
``task_sent``
    The transaction has committed, and the broker has confirmed the message.
``task_discarded``
    The message is never sent; ``reason`` says why (``"rollback"``, ``"write failed"``,
    ``"cancelled"``).
``task_started``
    A worker begins an attempt; ``attempt`` counts from 1.
``task_retried``
    The attempt was rolled back, and the task runs again in ``delay_s`` seconds;
    ``error`` is the exception.
``task_succeeded``
    The task has committed; ``result`` is its value.
``task_failed``
    The task has failed for good; ``error`` is the exception, or None.
``task_cancelled``
    The task was cancelled: it never ran, or its run was rolled back.

``batch_finished``
    No member of a batch is left, or it was committed without any; ``batch`` is an
    :class:`~.rows.records.EndedBatch` with ``id``, ``name``, ``state`` (``"done"`` or
    ``"cancelled"``) and the numbers ``done``, ``failed`` and ``cancelled``. Sent once,
    by the process that has ended it. It has no ``message``.

Three more are about what carries tasks, for metrics; they have no ``message``, but for
the first one:

``lease_lost``
    A run was rolled back, or could not be settled, since another worker has the task.
``duplicate_dropped``
    A message came whose task had ended before; ``task`` and ``queue`` are names.
``tasks_relayed``
    The relay has sent ``tasks``, pairs of a task's and a queue's name.
``sqs_called``
    Amazon SQS was called; ``operation`` is boto3's, ``outcome`` is ``"ok"`` or the name
    of an error of ours (``"Interrupted"`` at a time limit). The sender is ``"sqs"``.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace

_namespace = Namespace()
logger = logging.getLogger(__name__)

task_deferred = _namespace.signal("task_deferred")
task_merged = _namespace.signal("task_merged")
task_sent = _namespace.signal("task_sent")
task_discarded = _namespace.signal("task_discarded")
task_started = _namespace.signal("task_started")
task_retried = _namespace.signal("task_retried")
task_succeeded = _namespace.signal("task_succeeded")
task_failed = _namespace.signal("task_failed")
task_cancelled = _namespace.signal("task_cancelled")
batch_finished = _namespace.signal("batch_finished")
lease_lost = _namespace.signal("lease_lost")
duplicate_dropped = _namespace.signal("duplicate_dropped")
tasks_relayed = _namespace.signal("tasks_relayed")
sqs_called = _namespace.signal("sqs_called")


def emit(signal: NamedSignal, database: str, **facts: Any) -> None:
    """Send a signal; an exception of a receiver is logged. Never raises."""
    for receiver in signal.receivers_for(database):
        try:
            receiver(database, **facts)
        except BaseException:
            # BaseException, too: it would end the thread of a worker.
            logger.exception("a receiver of %s raised", signal.name)
