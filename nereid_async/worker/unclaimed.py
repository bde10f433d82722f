"""Settles deliveries that could not be claimed, by the state of their rows."""

from __future__ import annotations

import logging
from contextlib import suppress

from ..errors import MessageError, TransportError
from ..messages.outcome import Failure, State
from ..rows import TaskRows
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from . import message_origin
from .job import Held, Job, Unread
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

    def moved_back(self, job: Job) -> None:
        """Requeue a failed task if this is its dead letter, which was redriven.

        The task runs again; its old reply is withdrawn.
        """
        rows, token = self._runtime.rows, job.delivery.dead_letter
        if rows is None or token is None or not rows.retry_dead(job.message.id, token):
            return
        logger.info("%s was moved back from the dead letters: it runs again", job)
        if job.reply_to is not None:
            with suppress(TransportError):
                self._runtime.results.withdraw(job.reply_to)

    def not_claimed(self, job: Job, rows: TaskRows) -> None:
        """Settle a message whose row cannot be claimed: gone, finished or in flight."""
        status = rows.status(job.message.id)
        if status is None:
            self._tell(job, "has no row any more: it does not run")
            self._settlement.drop(job)
        elif status.state.finished:
            self._over(job, job.message.id, rows)
        else:
            self._leave(job, job.message.id, rows)

    def unread(self, unread: Unread, error: MessageError) -> None:
        """Settle a message that another worker may be able to decode."""
        rows, message = self._runtime.rows, unread.unread
        state = None
        if rows is not None and message is not None:
            state = rows.state_of_unread(message)
            token = unread.delivery.dead_letter
            if state is State.FAILED and token is not None:
                if rows.retry_dead(message.id, token, message.text):
                    state = State.SENT
            if state is not None and state.finished:
                self._over(unread, message.id, rows)
                return
            if state is State.RUNNING:
                self._leave(unread, message.id, rows)
                return
        foreign = None
        if state is None and unread.delivery.claim is None:
            foreign = message_origin.foreign(unread.says, self._runtime)
        if foreign is not None:
            # Signed with the key of that database.
            self._settlement.foreign(unread, foreign)
        else:
            self._settlement.unknown(unread, error)

    def _leave(self, held: Held, task_id: str, rows: TaskRows) -> None:
        """Release a message until its task can be claimed.

        If another worker has the task, that is the end of its lease.
        """
        free_in_s = rows.free_in_s(task_id) or 0
        self._settlement.leave(held, max(free_in_s, _SOONEST_S))

    def _over(self, held: Held, task_id: str, rows: TaskRows) -> None:
        """Settle a message whose task has finished before.

        It was delivered twice, was redriven from the dead letters, or its worker died
        before the acknowledgement.
        """
        status = rows.status(task_id)
        if status is not None and status.state is State.CANCELLED:
            self._tell(held, "does not run: its task was cancelled")
            self._settlement.drop(held)
            return
        outcome = None if status is None else status.outcome
        token = rows.token_of_failed(task_id)
        if token is None:
            if held.delivery.dead_letter is not None:
                self._tell(held, "does not run: its task is done")
            self._settlement.done_before(held, outcome)
            return
        again = " again since" if held.delivery.dead_letter is not None else ""
        self._tell(
            held,
            f"is put aside: its task has failed{again}; `… async retry ID` runs it",
        )
        failure = None if outcome is None else outcome.failure
        if failure is None:
            failure = Failure("TaskFailed", "its error is not kept any more")
        self._settlement.failed_before(held, failure, token)

    def _tell(self, held: Held, what: str) -> None:
        """Log why a message does not run."""
        moved = held.delivery.dead_letter is not None
        self._log.warning(
            (moved, what),
            "%s%s %s",
            held,
            " was moved back from the dead letters, and" if moved else "",
            what,
        )
