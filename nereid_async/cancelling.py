"""Cancels tasks: uncommitted, waiting and running ones.

A waiting task is cancelled at once, on a connection of its own, whatever becomes of the
present transaction. A running task is asked to stop, and decides when.
"""

from __future__ import annotations

import logging

from . import batch_end, open_items, signals
from .errors import ConfigurationError, MessageError
from .messages.message import Message
from .messages.outcome import State
from .rows import TaskRows
from .runtime import Runtime

logger = logging.getLogger(__name__)


def cancel(runtime: Runtime, task_id: str, *, interrupt: bool = False) -> State | None:
    """Cancel a task, or ask its run to stop; or a batch with all its members.

    :param interrupt: whether to interrupt a run that does not stop by itself.
    :returns: the state in which it was found; None if there is no such task.
    :raises ConfigurationError: without an outbox, tasks have no row.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    dropped = open_items.drop(task_id)
    if dropped is not None and dropped.is_new:
        return State.PENDING
    if runtime.rows is None:
        raise ConfigurationError(
            f"task {task_id} cannot be cancelled: without an outbox it has no row. "
            "Set outbox = yes"
        )
    found = runtime.rows.cancel(task_id, interrupt=interrupt)
    if found is None:
        return _cancel_batch(runtime, runtime.rows, task_id, interrupt)
    if found.waiting:
        logger.info("task %s was cancelled before it ran", task_id)
        _tell(runtime, runtime.rows, task_id)
        batch_end.look(runtime, runtime.rows.batch_of(task_id))
    return found


def _cancel_batch(
    runtime: Runtime, rows: TaskRows, batch_id: str, interrupt: bool
) -> State | None:
    found = rows.cancel_batch(batch_id)
    if found is State.RUNNING:
        number = rows.cancel_members(batch_id, interrupt=interrupt)
        logger.info("batch %s: %d waiting task(s) cancelled", batch_id, number)
        batch_end.look(runtime, batch_id)
    return found


def is_cancellable(runtime: Runtime, task_id: str) -> bool:
    """Whether the owner of a task, or of a batch, may cancel it from the browser."""
    if runtime.rows is None:
        return False
    message = _message(runtime, runtime.rows, task_id)
    if message is None:
        return runtime.rows.batch_cancellable(task_id)
    return message.cancellable


def _tell(runtime: Runtime, rows: TaskRows, task_id: str) -> None:
    if not signals.task_cancelled.receivers:
        return
    message = _message(runtime, rows, task_id)
    if message is not None:
        signals.emit(signals.task_cancelled, runtime.database, message=message)


def _message(runtime: Runtime, rows: TaskRows, task_id: str) -> Message | None:
    """The message of a task; None if there is none, or it cannot be decoded here."""
    text = rows.text_of(task_id)
    try:
        return None if text is None else runtime.codec.decode(text)
    except MessageError as error:
        logger.info("message of task %s: %s", task_id, error)
        return None
