"""The asker's statements, and the relay's: from a deferral to a sent message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trytond import backend

from .. import side
from ..limits import QUEUE_DELAY_MAX_S
from .records import Row, UnsentRow
from .statements import CHANNEL, Statements, params

#: SQLite takes 32,766 parameters a statement.
_ROWS_A_STATEMENT = 1_000


class AskerRows(Statements):
    """Writes rows, and notes what was sent."""

    def insert(self, cursor: side.Cursor, rows: Sequence[Row], notify: bool) -> None:
        """Write rows through the cursor of the asker's transaction: one statement.

        :param notify: wake the workers of this database at the commit.
        """
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            self._insert(cursor, rows[start : start + _ROWS_A_STATEMENT], notify)

    def _insert(self, cursor: side.Cursor, rows: Sequence[Row], notify: bool) -> None:
        values = ", ".join(
            ["({p}, {p}, {p}, {p}, 'pending', {p}, {now}, {now}, {later}, {p})"]
            * len(rows)
        )
        parameters: list[Any] = []
        for row in rows:
            message = row.message
            parameters += [
                message.id,
                message.target.name,
                message.queue,
                message.web is not None,
                message.user,
                message.delay_s,
                row.text,
            ]
        statement = (
            "INSERT INTO async_task (uuid, name, queue, web, state, {user}, "
            "create_date, deferred_at, due_at, message) VALUES " + values
        )
        if notify and backend.name == "postgresql":
            statement += f'; NOTIFY "{CHANNEL}"'
        self._execute(cursor, statement, parameters)

    def insert_apart(self, rows: Sequence[Row], notify: bool) -> None:
        """Write rows in a transaction of their own."""
        with side.transaction(self.database) as cursor:
            self.insert(cursor, rows, notify)

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Note that the queue service has confirmed these messages.

        But not of a row that waits for longer than a message can: it has run since,
        and been put off.
        """
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "WITH mine AS MATERIALIZED (SELECT id FROM async_task "
                f"WHERE uuid IN ({params(ids)}) AND state = 'pending' "
                "AND due_at <= {later} {skip_locked}) "
                "UPDATE async_task SET state = 'sent' "
                "WHERE id IN (SELECT id FROM mine) AND state = 'pending'",
                [*ids, QUEUE_DELAY_MAX_S],
                durable=False,
            )

    def forgotten(self, limit: int, age_s: float) -> list[UnsentRow]:
        """Rows whose message was sent that long ago, and that have not finished.

        Either nobody received it, or its worker has died and it did not come again.
        """
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "SELECT uuid, queue, message FROM async_task "
                "WHERE state = 'sent' AND due_at < {later} UNION ALL "
                "SELECT t.uuid, t.queue, t.message FROM async_run r "
                "JOIN async_task t ON t.uuid = r.uuid "
                "WHERE r.lease_until < {later} AND t.state = 'running' LIMIT {p}",
                [-age_s, -age_s, limit],
            )
            return [
                UnsentRow(uuid, queue, text, 0.0)
                for uuid, queue, text in cursor.fetchall()
            ]

    def mark_sent_again(self, ids: Sequence[str]) -> None:
        """Note that forgotten messages have been sent once more, now."""
        with side.transaction(self.database, durable=False) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET due_at = {now} "
                f"WHERE uuid IN ({params(ids)}) AND state = 'sent'",
                ids,
            )
            self._execute(
                cursor,
                "UPDATE async_run SET lease_until = {now} "
                f"WHERE uuid IN ({params(ids)}) AND lease_until < {{now}}",
                ids,
            )

    def unsent(
        self, limit: int, patience_s: float, horizon_s: float
    ) -> list[UnsentRow]:
        """Rows that should have been sent by now.

        :param patience_s: how long their own process is left to send them.
        :param horizon_s: how far ahead of its due time a row can be sent.
        """
        due_in_s = self._seconds_between("{now}", "due_at")
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                f"SELECT uuid, queue, message, {due_in_s} FROM async_task "
                "WHERE state = 'pending' AND due_at <= {later} "
                "AND deferred_at <= {later} ORDER BY due_at LIMIT {p}",
                [horizon_s, -patience_s, limit],
            )
            return [
                UnsentRow(uuid, queue, text, max(0.0, float(seconds)))
                for uuid, queue, text, seconds in cursor.fetchall()
            ]
