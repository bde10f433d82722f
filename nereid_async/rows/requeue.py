"""Statements of administrators: tasks run again, as if new, or before their time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from trytond import backend

from ..database import connections
from ..messages.outcome import State
from .statements import Statements, params
from .unique import HAS_KEY


class RequeueRows(Statements):
    """Requeues failed and cancelled tasks, and makes others due.

    A failed row keeps the token of the run that failed, and its dead letter has it as
    well. So one dead letter requeues a task once, however often it is delivered.
    """

    def retry_failed(self, ids: Sequence[str]) -> list[str]:
        """Requeue failed and cancelled tasks; return the ids of those.

        Not those whose key another task has by now.
        """
        over = "state IN ('failed', 'cancelled')"
        chosen = f"uuid IN ({params(ids)}) AND {over}"
        again = self._again(State.PENDING, f"{chosen} AND unique_key IS NULL", ids)
        rest = sorted(set(ids) - set(again))
        for task_id in self._unique(rest):
            # One at a time: two of them may have the same key.
            one = f"uuid = {{p}} AND {over}"
            again += self._again_unique(State.PENDING, one, [task_id])
        return again

    def retry_dead(self, task_id: str, token: str) -> bool:
        """Requeue a failed task whose dead letter was received.

        :param token: token in the dead letter.
        :returns: False if the task has not failed, or has failed again since, or if
            another task has its key.
        """
        chosen = "uuid = {p} AND token = {p} AND state = 'failed'"
        values = [task_id, token]
        again = self._again(State.SENT, f"{chosen} AND unique_key IS NULL", values)
        return bool(again or self._again_unique(State.SENT, chosen, values))

    def make_due(self, ids: Sequence[str]) -> list[str]:
        """Let tasks that are due later run now; return the ids of those.

        One that was sent is sent once more: its message is hidden until the old time,
        and finds nothing to claim then.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET state = 'pending', due_at = {now}, "
                f"send_at = NULL WHERE uuid IN ({params(ids)}) "
                "AND state IN ('pending', 'sent') AND due_at > {now} RETURNING uuid",
                ids,
            )
            due = [uuid for (uuid,) in cursor.fetchall()]
            if due:
                self._wake_workers(cursor)
        return due

    def token_of_failed(self, task_id: str) -> str | None:
        """The token in the dead letter of a failed task; None if it has not failed.

        Empty for a task that never ran: its dead letter does not requeue it.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT COALESCE(token, '') FROM async_task "
                "WHERE uuid = {p} AND state = 'failed'",
                [task_id],
            )
            row = cursor.fetchone()
        return None if row is None else row[0]

    def _unique(self, ids: Sequence[str]) -> list[str]:
        """Those of unique tasks."""
        if not ids:
            return []
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT uuid FROM async_task WHERE uuid IN ({params(ids)}) "
                "AND unique_key IS NOT NULL",
                ids,
            )
            return [uuid for (uuid,) in cursor.fetchall()]

    def _again_unique(
        self, state: State, condition: str, parameters: Sequence[Any]
    ) -> list[str]:
        """Requeue a unique task that takes its key again, unless another one has it."""
        again: list[str] = []
        # Raised if another one takes the key at the same moment.
        with suppress(backend.DatabaseIntegrityError):
            again = self._again(
                state,
                f"{condition} AND NOT EXISTS (SELECT 1 FROM async_task w "
                f"WHERE w.unique_key = async_task.unique_key AND {HAS_KEY})",
                parameters,
            )
        return again

    def _again(
        self, state: State, condition: str, parameters: Sequence[Any]
    ) -> list[str]:
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET state = {p}, token = NULL, error = NULL, "
                "traceback = NULL, finished_at = NULL, expires_at = NULL, "
                "acknowledged = NULL, due_at = {now}, send_at = NULL, turn = NULL, "
                # Cleared at the start of those that have their key until then.
                "unique_until = CASE WHEN unique_key IS NOT NULL "
                "THEN COALESCE(unique_until, 'start') END "
                f"WHERE {condition} RETURNING uuid, id",
                [state.value, *parameters],
            )
            rows = cursor.fetchall()
            again = [uuid for uuid, _ in rows]
            if again:
                self._solve_errors(cursor, [row_id for _, row_id in rows])
                self.execute(
                    cursor,
                    "UPDATE async_run SET attempt = 0, lease_until = NULL, "
                    "interruptions = NULL, unknown_since = NULL, "
                    "cancel_requested_at = NULL, interrupt = NULL "
                    f"WHERE uuid IN ({params(again)})",
                    again,
                )
                self._wake_workers(cursor)
        return again
