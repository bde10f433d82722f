"""Signals (blinker) that tell what happens to a task.

Each is sent by the database's name, with the :class:`~.messages.message.Message` as
the argument ``message``. Receivers run where the thing happens
(the caller's process or the worker); an exception in one is logged and does not change
the outcome.

``task_deferred``
    asked for; not committed yet.
``task_sent``
    its transaction has committed and the broker has it.
``task_discarded``
    nothing was or will be sent; ``reason`` says why (``"rollback"``,
    ``"write failed"``, ``"cancelled"``).
``task_started``
    a worker begins an attempt; ``attempt`` counts from 1.
``task_retried``
    rolled back, to run again in ``delay_s`` seconds; ``error`` is the exception.
``task_succeeded``
    committed; ``result`` is the value.
``task_failed``
    given up; ``error`` is the exception.
``task_cancelled``
    cancelled: it never ran, or its run was rolled back.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace

_namespace = Namespace()
logger = logging.getLogger(__name__)

task_deferred = _namespace.signal("task_deferred")
task_sent = _namespace.signal("task_sent")
task_discarded = _namespace.signal("task_discarded")
task_started = _namespace.signal("task_started")
task_retried = _namespace.signal("task_retried")
task_succeeded = _namespace.signal("task_succeeded")
task_failed = _namespace.signal("task_failed")
task_cancelled = _namespace.signal("task_cancelled")


def emit(signal: NamedSignal, database: str, **facts: Any) -> None:
    """Send a signal; a receiver that raises is logged, never felt."""
    for receiver in signal.receivers_for(database):
        try:
            receiver(database, **facts)
        except BaseException:
            # Also what is no Exception: it would end the thread of a worker.
            logger.exception("a receiver of %s raised", signal.name)
