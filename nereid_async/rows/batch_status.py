"""Statements that read batches: what has become of their members."""

from __future__ import annotations

from typing import Any

from ..database import connections
from ..messages.outcome import Outcome, Progress, State, Status
from ..messages.serialization import Json
from .records import ListedBatch, OpenBatches
from .statements import Statements

#: The states of members that are not at their end.
UNFINISHED = "('pending', 'sent', 'running')"
_NUMBER = "SELECT COUNT(*) FROM async_task t WHERE t.batch = b.uuid"
_COUNTED = (State.DONE, State.FAILED, State.CANCELLED)


class BatchStatusRows(Statements):
    """Reads the status of batches."""

    def batch_status(self, batch_id: str) -> Status | None:
        """Read the status of a batch; None if it has no row.

        Its progress is the number of members that have ended, in whatever way.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT state, done, failed, cancelled, "
                "CASE WHEN expires_at < {now} THEN 1 ELSE 0 END "
                "FROM async_batch WHERE uuid = {p}",
                [batch_id],
            )
            row = cursor.fetchone()
            if row is None:
                return None
            state, *numbers, gone = row
            if state == State.RUNNING:
                counts = self._members(cursor, batch_id)
                return Status(State.RUNNING, progress_of(counts), of_batch=True)
        if gone:
            return Status(State(state), gone=True, of_batch=True)
        return Status(State(state), outcome=outcome_of(state, numbers), of_batch=True)

    def listed_batches(
        self, limit: int, *, with_ended: bool, batch_id: str | None = None
    ) -> list[ListedBatch]:
        """Batches, those deferred last first.

        :param limit: how many at most.
        :param with_ended: whether to list those that have ended, too.
        :param batch_id: the only one to list; None for any.
        """
        chosen = ["1 = 1" if with_ended else "b.state = 'running'"]
        chosen += [] if batch_id is None else ["b.uuid = {p}"]
        counts = [
            f"CASE WHEN b.state = 'running' THEN ({_NUMBER} "
            f"AND t.state = '{it.value}') ELSE b.{it.value} END"
            for it in _COUNTED
        ]
        total = (
            f"CASE WHEN b.state = 'running' THEN ({_NUMBER}) "
            "ELSE b.done + b.failed + b.cancelled END"
        )
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT b.uuid, b.name, b.state, {', '.join(counts)}, {total}, "
                "b.{user}, b.created_at, b.finished_at FROM async_batch b "
                f"WHERE {' AND '.join(chosen)} ORDER BY b.id DESC LIMIT {{p}}",
                [*([] if batch_id is None else [batch_id]), limit],
            )
            return [ListedBatch(*row) for row in cursor.fetchall()]

    def open_batches(self) -> OpenBatches:
        """How many batches are open, and for how long the oldest one is."""
        age_s = self._seconds_between("MIN(created_at)", "{now}")
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT COUNT(*), {age_s} FROM async_batch WHERE state = 'running'",
                [],
            )
            number, oldest_s = cursor.fetchone()
        return OpenBatches(int(number), max(0.0, float(oldest_s or 0)))

    def batch_cancellable(self, batch_id: str) -> bool:
        """Whether the owner of a batch may cancel it from the browser."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT cancellable FROM async_batch WHERE uuid = {p}",
                [batch_id],
            )
            row = cursor.fetchone()
        return row is not None and bool(row[0])

    def batch_of(self, task_id: str) -> str | None:
        """The id of the batch that a task is a member of; None for none."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor, "SELECT batch FROM async_task WHERE uuid = {p}", [task_id]
            )
            row = cursor.fetchone()
        return None if row is None else row[0]

    def _members(self, cursor: connections.Cursor, batch_id: str) -> dict[State, int]:
        """Number of members by state."""
        self.execute(
            cursor,
            "SELECT state, COUNT(*) FROM async_task WHERE batch = {p} GROUP BY state",
            [batch_id],
        )
        return {State(state): int(number) for state, number in cursor.fetchall()}


def ended_counts(counts: dict[State, int]) -> dict[str, int]:
    """Numbers of members that were done, have failed and were cancelled."""
    return {state.value: counts.get(state, 0) for state in _COUNTED}


def progress_of(counts: dict[State, int]) -> Progress:
    """How many of the members have ended, in whatever way.

    :param counts: numbers of members by their states.
    """
    ended = ended_counts(counts)
    return Progress(
        sum(ended.values()), sum(counts.values()), failed=ended[State.FAILED.value]
    )


def outcome_of(state: str, numbers: list[Any]) -> Outcome:
    """The outcome of a batch that has ended.

    :param numbers: of members that were done, have failed and were cancelled.
    """
    if state == State.CANCELLED:
        return Outcome(cancelled=True)
    names = [it.value for it in _COUNTED]
    value: dict[str, Json] = dict(zip(names, map(int, numbers), strict=True))
    return Outcome(value=value, browser_value=value)
