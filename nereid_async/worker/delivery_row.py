"""The row of a delivery: found by its claim, by its text, or not there at all.

The one place that knows the difference between tasks with a row and without; what
settles and runs a task asks its row, whichever it is.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from trytond import backend

from ..brokers.base import Delivery
from ..errors import DatabaseUnavailable
from ..messages.outcome import Outcome, Progress, State
from ..rows import Claim, TaskRows, UnreadMessage
from ..runtime import Runtime

logger = logging.getLogger(__name__)

#: A message that waits for longer waits in its row: the relay sends it when it is due.
_LONGEST_IN_QUEUE_S = 1_800.0


class DeliveryRow(Protocol):
    """What is written of one delivery. Every method may raise DatabaseUnavailable."""

    #: The claim that guards what is written; None if there is none.
    claim: Claim | None
    #: How many attempts count before this run.
    attempts: int
    #: Whether another worker takes the task as it was, if this one does not start it.
    spares_attempts: bool

    def start_apart(self, worker: str) -> bool:
        """Note that the run starts, before its transaction does.

        :param worker: who runs it.
        :return: whether that is done, or need not be; else :meth:`start_in` does it.
        :raises LeaseLost: another run has the task.
        """

    def start_in(self, transaction: Any, worker: str) -> None:
        """Note that the run starts, on the connection that its statements will use.

        :param transaction: the task's own, begun and still empty.
        :raises LeaseLost: another run has the task.
        """

    def still_held(self, lease_s: float) -> bool:
        """Whether the task is this worker's still, though its lease may be over.

        :param lease_s: for how long it holds from now on, if it does.
        """

    def report(self, progress: Progress) -> None:
        """Note how far a running task says it is."""

    def finish(
        self, transaction: Any, outcome: Outcome, ttl_s: float, *, keep: bool
    ) -> None:
        """Write the outcome, as the last statement of the task's own transaction.

        :param keep: whether the value is kept besides the state.
        :raises LeaseLost: another run has the task: the transaction rolls back.
        """

    def fail(self, outcome: Outcome, ttl_s: float) -> str | None:
        """Write a failure.

        :return: the token of the failure; None if no row took it.
        :raises LeaseLost: another run has the task.
        """

    def release(
        self, in_s: float | None, attempts: int, longest_s: float
    ) -> float | None:
        """Let the task be taken again.

        :param in_s: in how many seconds; None for at once, in its old place.
        :param attempts: how many count from now on.
        :param longest_s: for how many seconds its message can wait by itself.
        :return: in how many seconds its message has to come again; None if the row
            waits without it.
        :raises LeaseLost: another run has the task.
        """

    def interrupted(self) -> int | None:
        """Count that the database cut the run short; how often, None without a row.

        :raises LeaseLost: another run has the task.
        """

    def unknown_for_s(self) -> float | None:
        """Note that this worker cannot run it; for how long no worker could.

        :return: seconds; None if no row tells.
        """


class NoRow:
    """Of a message without a row: nothing is written of it."""

    claim: Claim | None = None
    spares_attempts = False

    def __init__(self, delivery: Delivery) -> None:
        # Each receipt counts.
        self.attempts = delivery.receive_count - 1

    def start_apart(self, worker: str) -> bool:
        """Nothing has to be noted."""
        return True

    def start_in(self, transaction: Any, worker: str) -> None:
        """Nothing has to be noted."""

    def still_held(self, lease_s: float) -> bool:
        """Nobody can tell who has the message by now."""
        return False

    def report(self, progress: Progress) -> None:
        """Nobody can be told."""

    def finish(
        self, transaction: Any, outcome: Outcome, ttl_s: float, *, keep: bool
    ) -> None:
        """Nothing is written; see :func:`.lease.check_held` for what guards the run."""

    def fail(self, outcome: Outcome, ttl_s: float) -> str | None:
        """No row takes it."""
        return None

    def release(
        self, in_s: float | None, attempts: int, longest_s: float
    ) -> float | None:
        """The message comes again."""
        return in_s or 0.0

    def interrupted(self) -> int | None:
        """Nobody counts it."""
        return None

    def unknown_for_s(self) -> float | None:
        """No row tells."""
        return None


class UnreadRow(NoRow):
    """Of a message that this worker cannot read: its text finds its row, if any."""

    def __init__(
        self, rows: TaskRows, unread: UnreadMessage, delivery: Delivery
    ) -> None:
        super().__init__(delivery)
        self._rows = rows
        self._unread = unread

    def fail(self, outcome: Outcome, ttl_s: float) -> str | None:
        """Write a failure in the row that has just this message."""
        return self._rows.fail_unread(self._unread, outcome, ttl_s)

    def unknown_for_s(self) -> float | None:
        """Note that this worker cannot read it."""
        return self._rows.unread_for_s(self._unread)


class ClaimedRow:
    """Of a task that this worker has claimed.

    :param is_message: whether workers take the row itself, so that no message is to
        come again.
    """

    spares_attempts = True

    def __init__(self, rows: TaskRows, claim: Claim, *, is_message: bool) -> None:
        self._rows = rows
        self._claim = claim
        self._is_message = is_message
        self.claim: Claim | None = claim
        self.attempts = claim.attempt

    def start_apart(self, worker: str) -> bool:
        """Note it on SQLite; on PostgreSQL :meth:`start_in` saves a connection."""
        if self._claim.started:
            return True
        if backend.name == "postgresql":
            return False
        try:
            self._rows.start(self._claim, worker)
        except DatabaseUnavailable as error:
            # Losing the mark costs a second run at most.
            logger.info("task %s: start not marked: %s", self._claim.id, error)
        return True

    def start_in(self, transaction: Any, worker: str) -> None:
        """Note it in the same round trip as the transaction's begin."""
        try:
            cursor = transaction.connection.cursor()
            self._rows.start_first(cursor, self._claim, worker)
        except backend.DatabaseOperationalError as error:
            # A heartbeat was written at the same time: the transaction is useless.
            logger.debug("task %s: start marked apart: %s", self._claim.id, error)
            transaction.connection.rollback()
            self._rows.start(self._claim, worker)

    def still_held(self, lease_s: float) -> bool:
        """The row tells whether somebody was in need of it."""
        return bool(self._rows.extend([self._claim], lease_s))

    def report(self, progress: Progress) -> None:
        """Note how far the task says it is."""
        self._rows.report(self._claim, progress)

    def finish(
        self, transaction: Any, outcome: Outcome, ttl_s: float, *, keep: bool
    ) -> None:
        """Write the outcome, guarded by the claim."""
        cursor = transaction.connection.cursor()
        self._rows.finish(cursor, self._claim, outcome, ttl_s, keep=keep)

    def fail(self, outcome: Outcome, ttl_s: float) -> str | None:
        """Write the failure; its token is the claim's."""
        self._rows.finish_apart(self._claim, outcome, ttl_s)
        return self._claim.token

    def release(
        self, in_s: float | None, attempts: int, longest_s: float
    ) -> float | None:
        """Let the task be taken from its row, or with its message."""
        delay_s = in_s or 0.0
        in_row = self._is_message or delay_s > min(longest_s, _LONGEST_IN_QUEUE_S)
        state = State.PENDING if in_row else State.SENT
        self._rows.release(self._claim, state, in_s, attempts)
        return None if in_row else delay_s

    def interrupted(self) -> int | None:
        """Count it."""
        return self._rows.interrupted(self._claim)

    def unknown_for_s(self) -> float | None:
        """Note that this worker cannot run it."""
        return self._rows.unknown_for_s(self._claim)


def claimed_row(
    delivery: Delivery, claim: Claim | None, runtime: Runtime
) -> DeliveryRow:
    """The row of a delivery that was read, as far as it was claimed.

    :param claim: None for a message without a row, and for one that is not claimed.
    """
    if claim is None or runtime.rows is None:
        return NoRow(delivery)
    is_message = runtime.rows_are_messages
    return ClaimedRow(runtime.rows, claim, is_message=is_message)


def unread_row(
    delivery: Delivery, unread: UnreadMessage | None, runtime: Runtime
) -> DeliveryRow:
    """The row of a delivery that cannot be read here.

    :param unread: what the message says of itself; None if that is nothing.
    """
    if unread is None or runtime.rows is None:
        return claimed_row(delivery, delivery.claim, runtime)
    return UnreadRow(runtime.rows, unread, delivery)
