"""What waits for a commit in this process, by id: calls and batches.

Who takes an item out decides what becomes of it: its transaction, or a thread that
cancels it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from . import signals
from .deferred_batch import DeferredBatch
from .deferred_call import DeferredCall, Stage

Item: TypeAlias = DeferredCall | DeferredBatch

#: Those whose transaction has not begun to commit.
_open: dict[str, Item] = {}


def add(items: Sequence[Item]) -> None:
    """Let items be found by their ids."""
    _open.update((item.open_id, item) for item in items)


def remove(item: Item) -> bool:
    """Let an item not be found any more; False if somebody else took it out."""
    return _open.pop(item.open_id, None) is not None


def take(id: str, stage: Stage) -> Item | None:
    """Take what is not committed out of its transaction; None if there is no such id.

    :param stage: its stage from now on.
    """
    item = _open.pop(id, None)
    if item is not None:
        item.stage = stage
    return item


def drop(
    id: str, stage: Stage = Stage.CANCELLED, reason: str = "cancelled"
) -> Item | None:
    """Drop a call, or a batch with its members, that is not committed.

    :param reason: for the signal.
    :returns: what was dropped; None if there is no such id in this process.
    """
    item = take(id, stage)
    if isinstance(item, DeferredBatch):
        for other_id, other in list(_open.items()):
            if other.batch_id == item.id:
                drop(other_id, stage, reason)
    elif item is not None:
        tell_discarded(item, reason)
    return item


def tell_discarded(call: DeferredCall, reason: str) -> None:
    """Send the signal of a call that will not run."""
    if call.is_new:
        signals.emit(
            signals.task_discarded,
            call.message.database,
            message=call.message,
            reason=reason,
        )


def parted(items: Sequence[Item]) -> tuple[list[DeferredBatch], list[DeferredCall]]:
    """Batches and calls apart."""
    batches = [item for item in items if isinstance(item, DeferredBatch)]
    return batches, [item for item in items if isinstance(item, DeferredCall)]
