"""What failed attempts have left behind, so that the last one does not hide the others.

Written in the short transaction that lets a task run again, or fail, and removed with
the task's row. A retry by an administrator leaves it as it is.
"""

from __future__ import annotations

from ..database import connections
from ..messages.outcome import Failure
from ..texts import storable
from .records import Claim, FailedAttempt
from .statements import Statements

#: Of each task the last ones are kept.
KEPT_ATTEMPTS = 10


class AttemptRows(Statements):
    """Writes and reads ``async_attempt``."""

    def attempts(self, task_id: str) -> list[FailedAttempt]:
        """The failed attempts of a task that are kept, oldest first."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT error_type, error_message, traceback, error_id, attempt, "
                "counted, worker, failed_at FROM async_attempt WHERE uuid = {p} "
                "ORDER BY number",
                [task_id],
            )
            return [
                FailedAttempt(
                    Failure(type_, message, traceback or "", error_id or ""),
                    attempt,
                    bool(counted),
                    worker or "",
                    failed_at,
                )
                for (
                    type_,
                    message,
                    traceback,
                    error_id,
                    attempt,
                    counted,
                    worker,
                    failed_at,
                ) in cursor.fetchall()
            ]

    def _keep(
        self, cursor: connections.Cursor, claim: Claim, failed: FailedAttempt
    ) -> None:
        """Write one, by the worker that its run names, and let go of what is too old.

        The claim is known to hold: nobody else writes attempts of this task.
        """
        failure = failed.failure
        self.execute(
            cursor,
            "INSERT INTO async_attempt (uuid, number, worker, attempt, counted, "
            "error_type, error_message, error_id, traceback, failed_at, create_date) "
            "VALUES ({p}, (SELECT COALESCE(MAX(number), 0) + 1 FROM async_attempt "
            "WHERE uuid = {p}), (SELECT worker FROM async_run WHERE uuid = {p}), "
            "{p}, {p}, {p}, {p}, {p}, {p}, {now}, {now}) RETURNING number",
            [
                claim.id,
                claim.id,
                claim.id,
                failed.attempt,
                failed.counted,
                storable(failure.type),
                storable(failure.message),
                failure.id,
                storable(failure.traceback),
            ],
        )
        (number,) = cursor.fetchone()
        if number > KEPT_ATTEMPTS:
            self.execute(
                cursor,
                "DELETE FROM async_attempt WHERE uuid = {p} AND number <= {p}",
                [claim.id, number - KEPT_ATTEMPTS],
            )
