"""Statements on failed attempts, whose errors are kept besides that of the last one.

A failed attempt is written in the transaction that releases or fails its task, and
removed with the task's row. A requeue by an administrator keeps it.
"""

from __future__ import annotations

from ..database import connections
from ..messages.outcome import Failure
from ..texts import storable
from .records import Claim, FailedAttempt
from .statements import Statements

#: Number of failed attempts that are kept per task: the last ones.
KEPT_ATTEMPTS = 10


class AttemptRows(Statements):
    """Writes and reads ``async_attempt``."""

    def attempts(self, task_id: str) -> list[FailedAttempt]:
        """The kept failed attempts of a task, the oldest first."""
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
        """Write a failed attempt, with the worker of its run, and remove the oldest.

        Only for a claim that holds: nobody else writes attempts of its task then.
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
