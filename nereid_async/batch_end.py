"""Ends batches: looks whether a member is left, and defers what was prepared for then.

Whoever has ended a member looks, after its commit. So the one that ends the last member
finds none left; if several do at the same time, one of them gets the row of the batch,
and with it the right to defer. If its process dies before, the sweep finds the batch.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from . import pending, signals
from .deferred_call import DeferredCall, Stage
from .errors import MessageError, TransportError
from .rows import Row, TaskRows
from .runtime import Runtime
from .throttled_log import ThrottledLog

logger = logging.getLogger(__name__)
_throttled = ThrottledLog(logger)

_BATCHES_A_SWEEP = 100


def look(runtime: Runtime, batch_id: str | None) -> None:
    """End a batch if no member is left. Never raises: the sweep looks again.

    :param batch_id: None for a task that is in no batch.
    """
    if batch_id is None or runtime.rows is None:
        return
    try:
        _look(runtime, runtime.rows, batch_id)
    except TransportError as error:
        _throttled.warning("away", "batch %s is looked at later: %s", batch_id, error)
    except MessageError as error:
        # Another worker may have the key.
        kind = "unread", batch_id
        text = "batch %s does not end here, its call cannot be read: %s"
        _throttled.error(kind, text, batch_id, error)
    except Exception:
        logger.exception("batch %s is looked at later", batch_id)


def sweep(runtime: Runtime) -> None:
    """End the batches whose last member ended unnoticed, and cancel further members.

    :raises TransportError: the database is unreachable.
    """
    if runtime.rows is not None:
        for batch_id in runtime.rows.batches_to_end(_BATCHES_A_SWEEP):
            look(runtime, batch_id)


def _look(runtime: Runtime, rows: TaskRows, batch_id: str) -> None:
    found = rows.look_at_batch(batch_id)
    if found is None:
        return
    is_left, is_cancelled = found
    if is_left and is_cancelled and rows.cancel_members(batch_id):
        is_left = rows.look_at_batch(batch_id) == (True, True)
    if not is_left:
        _end(runtime, rows, batch_id)


def _end(runtime: Runtime, rows: TaskRows, batch_id: str) -> None:
    calls: list[DeferredCall] = []

    def callback(text: str) -> Row:
        # Its due time counts from now.
        message = runtime.codec.decode(text)
        message = replace(message, deferred_at_s=round(time.time(), 3))
        calls.append(DeferredCall(message, runtime.codec.encode(message)))
        return calls[-1].row

    settings = runtime.settings
    ended = rows.end_batch(
        batch_id, settings.result_ttl, callback, runtime.rows_are_messages
    )
    if ended is None:
        return
    logger.info(
        "batch %s (%s) is %s: %d done, %d failed, %d cancelled",
        batch_id,
        ended.name,
        ended.state,
        ended.done,
        ended.failed,
        ended.cancelled,
    )
    for call in calls:
        call.stage, call.has_row = Stage.COMMITTED, True
    pending.tell_deferred(runtime, calls)
    runtime.send(calls)
    signals.emit(signals.batch_finished, runtime.database, batch=ended)
    if runtime.on_deferred is not None:
        for call in calls:
            runtime.on_deferred(call)
