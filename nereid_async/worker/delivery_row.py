"""The row of a delivery: found by its claim, or not existing.

The one place that distinguishes tasks with a row from tasks without. The code that runs
and settles tasks uses a :class:`DeliveryRow` for both.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from trytond import backend

from ..brokers.base import Delivery
from ..database import connections
from ..errors import DatabaseUnavailable, TaskCancelled
from ..messages.outcome import Outcome, Progress, State
from ..rows import CancelRequest, Claim, FailedAttempt, TaskRows
from ..runtime import Runtime

logger = logging.getLogger(__name__)

#: A task with a longer delay waits in its row; the relay sends it when it is due.
_LONGEST_IN_QUEUE_S = 1_800.0


class DeliveryRow(Protocol):
    """Reads and writes the row of one delivery.

    Every method may raise DatabaseUnavailable.
    """

    #: The claim that guards what is written; None if there is none.
    claim: Claim | None
    #: Number of attempts that count before this run.
    attempts: int
    #: Whether handing back a job that has not started counts as no attempt.
    spares_attempts: bool

    def start_apart(self, worker: str) -> bool:
        """Mark the start of the run before its transaction, if that is the way.

        :param worker: name of this worker.
        :returns: False if the caller has to call :meth:`start_in`.
        :raises LeaseLost: another run has the task.
        """

    def start_in(self, transaction: Any, worker: str) -> None:
        """Mark the start of the run on the connection of its transaction.

        :param transaction: the task's own, begun and still empty.
        :param worker: name of this worker.
        :raises LeaseLost: another run has the task.
        """

    def still_held(self, lease_s: float) -> bool:
        """Renew a lease that may be over; False if another worker may have the task.

        :param lease_s: length of the new lease, in seconds.
        """

    def report(self, progress: Progress) -> CancelRequest | None:
        """Write the progress of a running task; return the request to stop, if any."""

    def cancel_request(self) -> CancelRequest | None:
        """Read the request to stop the run; None if there is none."""

    def finish(
        self, transaction: Any, outcome: Outcome, ttl_s: float, *, keep: bool
    ) -> None:
        """Write the outcome, as the last statement of the task's own transaction.

        :param ttl_s: how long the outcome stays readable, in seconds.
        :param keep: whether the value is kept besides the state.
        :raises LeaseLost: another run has the task; the transaction must roll back.
        """

    def fail(
        self, outcome: Outcome, ttl_s: float, failed: FailedAttempt | None = None
    ) -> str | None:
        """Write a failure, in a transaction of its own.

        :param ttl_s: how long it stays readable, in seconds.
        :param failed: the attempt that has failed; None if none was started.
        :returns: the token of the failure; None if there is no row to write to.
        :raises LeaseLost: another run has the task.
        """

    def cancel(self) -> None:
        """Cancel the task, whose run was rolled back or has not begun.

        :raises LeaseLost: another run has the task.
        """

    def release(
        self,
        in_s: float | None,
        attempts: int,
        longest_s: float,
        failed: FailedAttempt | None = None,
    ) -> float | None:
        """Let the task be claimed again.

        :param in_s: delay in seconds; None for at once, with its old due time.
        :param attempts: number of attempts that count from now on.
        :param longest_s: longest delay that the queue can give a message, in seconds.
        :param failed: the attempt that has failed; None if none was started.
        :returns: delay with which the message must be released, in seconds; None if
            the task waits in its row, and the message is to be acknowledged.
        :raises TaskCancelled: the run was asked to stop: the task is cancelled instead.
        :raises LeaseLost: another run has the task.
        """

    def interrupted(self) -> int | None:
        """Count an interruption of the run.

        :returns: number of interruptions by now; None without a row.
        :raises LeaseLost: another run has the task.
        """

    def unknown_for_s(self) -> float | None:
        """Note that this worker cannot run the task.

        :returns: for how many seconds no worker could; None without a row.
        """


class NoRow:
    """The missing row of a delivery, or one not claimed: nothing is written."""

    claim: Claim | None = None
    spares_attempts = False

    def __init__(self, delivery: Delivery) -> None:
        # Without a row, each receive counts as an attempt.
        self.attempts = delivery.receive_count - 1

    def start_apart(self, worker: str) -> bool:
        """Do nothing: there is no start to mark."""
        return True

    def start_in(self, transaction: Any, worker: str) -> None:
        """Do nothing: there is no start to mark."""

    def still_held(self, lease_s: float) -> bool:
        """False: another worker may have received the message."""
        return False

    def report(self, progress: Progress) -> CancelRequest | None:
        """Drop the progress."""
        return None

    def cancel_request(self) -> CancelRequest | None:
        """Return None: without a row nobody can ask the run to stop."""
        return None

    def finish(
        self, transaction: Any, outcome: Outcome, ttl_s: float, *, keep: bool
    ) -> None:
        """Do nothing; the lease of the message guards the run."""

    def fail(
        self, outcome: Outcome, ttl_s: float, failed: FailedAttempt | None = None
    ) -> str | None:
        """Return None: there is no row to write to."""
        return None

    def cancel(self) -> None:
        """Do nothing: there is no row to write to."""

    def release(
        self,
        in_s: float | None,
        attempts: int,
        longest_s: float,
        failed: FailedAttempt | None = None,
    ) -> float | None:
        """Return the delay: the message is released."""
        return in_s or 0.0

    def interrupted(self) -> int | None:
        """Return None: interruptions are not counted."""
        return None

    def unknown_for_s(self) -> float | None:
        """Return None: there is no row to tell."""
        return None


class ClaimedRow:
    """The row of a task that this worker has claimed.

    :param is_message: whether the row is the message (broker ``database``), so that no
        message is to be released.
    """

    spares_attempts = True

    def __init__(self, rows: TaskRows, claim: Claim, *, is_message: bool) -> None:
        self._rows = rows
        self._claim = claim
        self._is_message = is_message
        self.claim: Claim | None = claim
        self.attempts = claim.attempt

    def start_apart(self, worker: str) -> bool:
        """Mark the start on SQLite; PostgreSQL does it in :meth:`start_in`."""
        if self._claim.started:
            return True
        if backend.name == "postgresql":
            return False
        try:
            self._rows.start(self._claim, worker)
        except DatabaseUnavailable as error:
            # Without the mark, a run that is killed now counts as no attempt.
            logger.info("task %s: start not marked: %s", self._claim.id, error)
        return True

    def start_in(self, transaction: Any, worker: str) -> None:
        """Mark the start in the round trip that begins the transaction."""
        try:
            cursor = connections.cursor_of(transaction)
            self._rows.start_first(cursor, self._claim, worker)
        except backend.DatabaseOperationalError as error:
            # A heartbeat was written at the same time: the transaction cannot go on.
            logger.debug("task %s: start marked apart: %s", self._claim.id, error)
            transaction.connection.rollback()
            self._rows.start(self._claim, worker)

    def still_held(self, lease_s: float) -> bool:
        """Renew the lease unless another worker has claimed the row meanwhile."""
        return bool(self._rows.extend([self._claim], lease_s))

    def report(self, progress: Progress) -> CancelRequest | None:
        """Write the progress, guarded by the claim."""
        return self._rows.report(self._claim, progress)

    def cancel_request(self) -> CancelRequest | None:
        """Read the request, guarded by the claim."""
        return self._rows.cancel_request(self._claim)

    def finish(
        self, transaction: Any, outcome: Outcome, ttl_s: float, *, keep: bool
    ) -> None:
        """Write the outcome, guarded by the claim."""
        cursor = connections.cursor_of(transaction)
        self._rows.finish(cursor, self._claim, outcome, ttl_s, keep=keep)

    def fail(
        self, outcome: Outcome, ttl_s: float, failed: FailedAttempt | None = None
    ) -> str | None:
        """Write the failure; its token is the claim's."""
        self._rows.finish_apart(self._claim, outcome, ttl_s, failed)
        return self._claim.token

    def cancel(self) -> None:
        """Cancel it, guarded by the claim."""
        self._rows.cancelled(self._claim)

    def release(
        self,
        in_s: float | None,
        attempts: int,
        longest_s: float,
        failed: FailedAttempt | None = None,
    ) -> float | None:
        """Set the row to ``pending``, or to ``sent`` if its message is released."""
        delay_s = in_s or 0.0
        in_row = self._is_message or delay_s > min(longest_s, _LONGEST_IN_QUEUE_S)
        state = State.PENDING if in_row else State.SENT
        if not self._rows.release(self._claim, state, in_s, attempts, failed):
            raise TaskCancelled
        return None if in_row else delay_s

    def interrupted(self) -> int | None:
        """Count an interruption in the row."""
        return self._rows.interrupted(self._claim)

    def unknown_for_s(self) -> float | None:
        """Note in the row that this worker cannot run the task."""
        return self._rows.unknown_for_s(self._claim)


def row_of(delivery: Delivery, runtime: Runtime) -> DeliveryRow:
    """The row of a delivery, if it is claimed."""
    if delivery.claim is None or runtime.rows is None:
        return NoRow(delivery)
    is_message = runtime.rows_are_messages
    return ClaimedRow(runtime.rows, delivery.claim, is_message=is_message)
