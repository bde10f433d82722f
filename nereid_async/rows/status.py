"""Statements that read the status of tasks and count them."""

from __future__ import annotations

import logging
from typing import NamedTuple

from ..database import connections
from ..errors import MessageError
from ..messages.outcome import Failure, Outcome, Progress, State, Status
from ..messages.serialization import loads
from ..throttled_log import ThrottledLog
from .batch_status import BatchStatusRows

_throttled = ThrottledLog(logging.getLogger(__name__))


class _StatusRow(NamedTuple):
    """A row as :meth:`StatusRows.status` reads it."""

    state: str
    result: str | None
    error: str | None
    traceback: str | None
    gone: int
    done: float | None
    total: float | None
    text: str | None

    @property
    def where(self) -> State:
        return State(self.state)

    @property
    def progress(self) -> Progress | None:
        told = (self.done, self.total, self.text)
        return None if told == (None, None, None) else Progress.of(*told)


class StatusRows(BatchStatusRows):
    """Reads the status of tasks and batches."""

    def status(self, task_id: str) -> Status | None:
        """Read the status of a task, by one statement, or else of a batch.

        None if there is neither.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT t.state, t.result, t.error, t.traceback, "
                "CASE WHEN t.acknowledged OR t.expires_at < {now} THEN 1 ELSE 0 END, "
                "r.progress_done, r.progress_total, r.progress_message "
                "FROM async_task t LEFT JOIN async_run r ON r.uuid = t.uuid "
                "WHERE t.uuid = {p}",
                [task_id],
            )
            row = cursor.fetchone()
        if row is None:
            return self.batch_status(task_id)
        return self._status(task_id, _StatusRow(*row))

    def _status(self, task_id: str, row: _StatusRow) -> Status:
        if not row.where.finished:
            return Status(row.where, row.progress)
        if row.gone:
            return Status(row.where, gone=True)
        try:
            return Status(row.where, outcome=self._outcome(task_id, row))
        except MessageError as error:
            kind = "outcome", type(error)
            _throttled.error(kind, "result of task %s: %s", task_id, error)
            return Status(row.where, gone=True)

    def _outcome(self, task_id: str, row: _StatusRow) -> Outcome:
        if row.where is State.CANCELLED:
            return Outcome(cancelled=True)
        if row.error is not None:
            failure = Failure.from_json(loads(row.error), row.traceback or "")
            return Outcome(failure=failure)
        if row.result is None:
            return Outcome()
        return self._outcomes.from_json(task_id, loads(row.result))

    def text_of(self, task_id: str) -> str | None:
        """The call of a task, as it is written; None if it has no row."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor, "SELECT message FROM async_task WHERE uuid = {p}", [task_id]
            )
            row = cursor.fetchone()
        return None if row is None else str(row[0])

    def acknowledge(self, task_id: str) -> None:
        """Note that the owner has the outcome, and delete its value."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET acknowledged = {true}, result = NULL "
                "WHERE uuid = {p} AND state IN ('done', 'failed', 'cancelled')",
                [task_id],
            )
            if not cursor.rowcount:
                self.execute(
                    cursor,
                    "UPDATE async_batch SET expires_at = {later} "
                    "WHERE uuid = {p} AND state <> 'running'",
                    [-1, task_id],
                )
