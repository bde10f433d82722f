"""Statements that cancel: waiting tasks at once, running ones by a request to stop."""

from __future__ import annotations

from ..database import connections
from ..messages.outcome import State
from .statements import Statements


class CancelRows(Statements):
    """Cancels tasks.

    A claim, a finish and a cancel each lock the row of the task. So a task that was
    found waiting never runs.
    """

    def cancel(self, task_id: str, *, interrupt: bool = False) -> State | None:
        """Cancel a waiting task, or request that a running one stops.

        Waits for a run that is about to commit.

        :param interrupt: whether to interrupt a run that does not stop by itself.
        :returns: the state in which it was found; None if there is no such task.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT state, queue FROM async_task WHERE uuid = {p} {for_update}",
                [task_id],
            )
            row = cursor.fetchone()
            if row is None:
                return None
            found = State(row[0])
            if found.waiting:
                self._cancel(cursor, "uuid = {p}", [task_id])
                self._wake_group(cursor, row[1])
            elif found is State.RUNNING:
                self._ask_to_stop(cursor, task_id, interrupt)
            return found

    def _ask_to_stop(
        self, cursor: connections.Cursor, task_id: str, interrupt: bool
    ) -> None:
        also = ", interrupt = {true}" if interrupt else ""
        self.execute(
            cursor,
            "UPDATE async_run SET "
            f"cancel_requested_at = COALESCE(cancel_requested_at, {{now}}){also} "
            "WHERE uuid = {p}",
            [task_id],
        )
