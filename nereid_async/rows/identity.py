"""Statements on ``async_identity``, whose row tells a database from its copy."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ..database import connections
from ..database.errors import is_missing_table
from .statements import Statements


@dataclass(frozen=True)
class Renewal:
    """Numbers of the tasks that had not run when an identity was renewed.

    :ivar kept: tasks that have the new identity now.
    :ivar dropped: tasks that were deleted.
    :ivar unreadable: tasks left unchanged, since their signing key is unknown here.
    """

    kept: int = 0
    dropped: int = 0
    unreadable: int = 0


class IdentityRows(Statements):
    """Reads, creates and renews the identity of one database."""

    def identity(self) -> str | None:
        """Read the identity; create it if there is none.

        :returns: None if the database has no table for it: the module is not activated,
            or not updated.
        """
        try:
            with connections.autocommit(self.database, wait=False) as cursor:
                cursor.execute("SELECT uuid FROM async_identity WHERE id = 1")
                row = cursor.fetchone()
                if row is None:
                    self.make_identity(cursor)
                    cursor.execute("SELECT uuid FROM async_identity WHERE id = 1")
                    row = cursor.fetchone()
        except Exception as error:
            if is_missing_table(error):
                return None
            raise
        return str(row[0])

    def make_identity(self, cursor: connections.Cursor) -> None:
        """Create an identity unless there is one."""
        self.execute(
            cursor,
            "INSERT INTO async_identity (id, uuid, create_date) "
            "VALUES (1, {p}, {now}) ON CONFLICT (id) DO NOTHING",
            [str(uuid.uuid4())],
        )

    def renew_identity(
        self, change: Callable[[str, str], str | None], *, drop_waiting: bool
    ) -> Renewal:
        """Give the database a new identity, and with it the tasks that have not run.

        No worker may be running.

        :param change: takes a message and the new identity, and returns the message
            with it; None if the message cannot be decoded.
        :param drop_waiting: whether to delete tasks that wait or were running.
        """
        new = str(uuid.uuid4())
        with connections.transaction(self.database) as cursor:
            self.make_identity(cursor)
            self.execute(
                cursor, "UPDATE async_identity SET uuid = {p} WHERE id = 1", [new]
            )
            dropped = self._drop_waiting(cursor) if drop_waiting else 0
            # Failed and cancelled tasks, too: they may be retried.
            cursor.execute("SELECT uuid, message FROM async_task WHERE state <> 'done'")
            kept = unreadable = 0
            for task_id, text in cursor.fetchall():
                changed = change(text, new)
                if changed is None:
                    unreadable += 1
                else:
                    kept += self._take_as_own(cursor, task_id, changed)
            self._take_batches(cursor, change, new)
        return Renewal(kept, dropped, unreadable)

    def _drop_waiting(self, cursor: connections.Cursor) -> int:
        cursor.execute(
            "DELETE FROM async_task WHERE state IN ('pending', 'sent', 'running') "
            "RETURNING uuid"
        )
        dropped = [task_id for (task_id,) in cursor.fetchall()]
        if dropped:
            self._forget_runs(cursor, dropped)
        cursor.execute("DELETE FROM async_batch WHERE state = 'running'")
        return len(dropped)

    def _take_batches(
        self,
        cursor: connections.Cursor,
        change: Callable[[str, str], str | None],
        new: str,
    ) -> None:
        """Give the calls that open batches make at their ends the new identity."""
        for column in ("then_message", "failure_message"):
            cursor.execute(
                f"SELECT uuid, {column} FROM async_batch "
                f"WHERE state = 'running' AND {column} IS NOT NULL"
            )
            for batch_id, text in cursor.fetchall():
                self.execute(
                    cursor,
                    f"UPDATE async_batch SET {column} = {{p}} WHERE uuid = {{p}}",
                    [change(text, new) or text, batch_id],
                )

    def _take_as_own(self, cursor: connections.Cursor, task_id: str, text: str) -> int:
        """Write the new message, reset an unfinished task to ``pending``.

        :returns: 1 for a task that waits, 0 for a failed or cancelled one.
        """
        self.execute(
            cursor,
            "UPDATE async_task SET message = {p}, send_at = NULL, token = "
            "CASE state WHEN 'failed' THEN token END, state = CASE "
            "WHEN state IN ('failed', 'cancelled') THEN state ELSE 'pending' END "
            "WHERE uuid = {p} RETURNING state",
            [text, task_id],
        )
        (state,) = cursor.fetchone()
        self.execute(
            cursor,
            "UPDATE async_run SET lease_until = NULL WHERE uuid = {p}",
            [task_id],
        )
        return int(state == "pending")
