"""The administrator's statements: what has failed runs again, as if it were new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..database import connections
from ..messages.outcome import State
from .statements import Statements, params


class RequeueRows(Statements):
    """Sets failed tasks back.

    The token of a failed row is that of the run that failed, and its dead letter bears
    it: so one dead letter lets a task run once, however often it is delivered.
    """

    def retry_failed(self, ids: Sequence[str]) -> list[str]:
        """Let failed tasks run again; returns their ids."""
        return self._again(State.PENDING, f"uuid IN ({params(ids)})", ids)

    def retry_dead(self, task_id: str, token: str, text: str | None = None) -> bool:
        """Let a failed task run again whose dead letter has been received.

        :param token: as the dead letter bears it.
        :param text: the message, where nothing else proves that it is the row's own.
        :return: whether it does: it has failed, and not again since.
        """
        condition, parameters = "uuid = {p} AND token = {p}", [task_id, token]
        if text is not None:
            condition += " AND message = {p}"
            parameters.append(text)
        return bool(self._again(State.SENT, condition, parameters))

    def token_of_failed(self, task_id: str) -> str | None:
        """What the dead letter of a failed task bears; None if it has not failed.

        Empty where it never ran: such a letter does not bring it back.
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

    def _again(
        self, state: State, condition: str, parameters: Sequence[Any]
    ) -> list[str]:
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET state = {p}, token = NULL, error = NULL, "
                "traceback = NULL, finished_at = NULL, expires_at = NULL, "
                "acknowledged = NULL, due_at = {now}, send_at = NULL "
                f"WHERE {condition} AND state = 'failed' RETURNING uuid",
                [state.value, *parameters],
            )
            again = [uuid for (uuid,) in cursor.fetchall()]
            if again:
                self.execute(
                    cursor,
                    "UPDATE async_run SET attempt = 0, lease_until = NULL, "
                    "interruptions = NULL, unknown_since = NULL "
                    f"WHERE uuid IN ({params(again)})",
                    again,
                )
                self._wake_workers(cursor)
        return again
