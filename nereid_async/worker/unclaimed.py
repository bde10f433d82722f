"""Settles deliveries that could not be claimed, by the state of their rows."""

from __future__ import annotations

import logging
from contextlib import suppress

from .. import signals
from ..errors import MessageError, TransportError
from ..messages.outcome import Failure, State, Status
from ..queue_selection import is_ordered
from ..rows import TaskRows
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from . import message_origin
from .job import Pointed, Unread
from .settlement import Settlement

logger = logging.getLogger(__name__)

#: Shortest delay of a release, so that a message does not come again in a tight loop.
_SOONEST_S = 1.0


class Unclaimed:
    """Settles what cannot be claimed. Thread-safe."""

    def __init__(self, runtime: Runtime, settlement: Settlement) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._log = ThrottledLog(logger)

    def moved_back(self, pointed: Pointed) -> None:
        """Requeue a failed task if this is its dead letter, which was redriven.

        The task runs again; its old reply is withdrawn.
        """
        rows, token = self._runtime.rows, pointed.delivery.dead_letter
        if rows is None or token is None:
            return
        if not rows.retry_dead(pointed.pointer.id, token):
            return
        text = "%s was moved back from the dead letters: it runs again"
        logger.info(text, pointed)
        if pointed.reply_to is not None:
            with suppress(TransportError):
                self._runtime.results.withdraw(pointed.reply_to)

    def not_claimed(self, pointed: Pointed, rows: TaskRows) -> None:
        """Settle a message whose row cannot be claimed: gone, finished or in flight."""
        status = rows.status(pointed.pointer.id)
        if status is None:
            self._tell(pointed, "has no row any more: it does not run")
            self._settlement.drop(pointed)
        elif status.state.finished:
            self._over(pointed, status, rows)
        elif is_ordered(pointed.pointer.queue):
            self._not_its_turn(pointed, rows)
        else:
            # If another worker has the task, that is the end of its lease.
            free_in_s = rows.free_in_s(pointed.pointer.id) or 0
            self._settlement.leave(pointed, max(free_in_s, _SOONEST_S))

    def _not_its_turn(self, pointed: Pointed, rows: TaskRows) -> None:
        """Settle a message whose task waits for others of its group, or runs.

        A message that is hidden, or comes again, keeps back those behind it. So it
        stays only while one of its group runs: SQS holds it until that has ended.
        """
        if rows.set_aside(pointed.pointer.id):
            logger.info("%s waits in its row for others of its group", pointed)
            self._settlement.drop(pointed)
            return
        free_in_s = rows.free_in_s(pointed.pointer.id) or 0
        self._settlement.leave(pointed, free_in_s)

    def unread(self, unread: Unread, error: MessageError) -> None:
        """Settle a message that another worker may be able to decode.

        It is not verified, and its task's row is not touched on its word. When it is
        given up, the relay sends the row once more: a pointer that the workers of this
        key can decode. Then the call in the row decides.
        """
        foreign = message_origin.foreign(unread.says, self._runtime)
        if foreign is not None:
            # Signed with the key of that database.
            self._settlement.foreign(unread, foreign)
            return
        gone = self._settlement.unknown(unread, error)
        rows, task_id = self._runtime.rows, unread.says.id
        if gone and rows is not None and task_id is not None:
            rows.mark_unsent([task_id])

    def _over(self, pointed: Pointed, status: Status, rows: TaskRows) -> None:
        """Settle a message whose task has finished before.

        It was delivered twice, was redriven from the dead letters, or its worker died
        before the acknowledgement.
        """
        if status.state is State.CANCELLED:
            logger.info("%s does not run: its task was cancelled", pointed)
            self._settlement.drop(pointed)
            return
        signals.emit(
            signals.duplicate_dropped,
            self._runtime.database,
            task=pointed.pointer.name,
            queue=pointed.pointer.queue,
        )
        token = rows.token_of_failed(pointed.pointer.id)
        if token is None:
            if pointed.delivery.dead_letter is not None:
                self._tell(pointed, "does not run: its task is done")
            self._settlement.done_before(pointed, status.outcome)
            return
        again = " again since" if pointed.delivery.dead_letter is not None else ""
        has_key = rows.have_keys_of([pointed.pointer.id]).get(pointed.pointer.id)
        why = "" if has_key is None else f", and task {has_key} has its key"
        self._tell(
            pointed,
            f"is dead-lettered: its task has failed{again}{why}; `… async retry ID` "
            "runs it",
        )
        failure = None if status.outcome is None else status.outcome.failure
        if failure is None:
            failure = Failure("TaskFailed", "its error is not kept any more")
        self._settlement.failed_before(pointed, failure, token)

    def _tell(self, pointed: Pointed, what: str) -> None:
        """Log why a message does not run."""
        moved = pointed.delivery.dead_letter is not None
        self._log.warning(
            (moved, what),
            "%s%s %s",
            pointed,
            " was moved back from the dead letters, and" if moved else "",
            what,
        )
