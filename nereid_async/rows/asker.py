"""The asker's statement: the rows are written with what defers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trytond import backend

from .. import side
from .records import Row
from .statements import CHANNEL, Statements

#: SQLite takes 32,766 parameters a statement.
_ROWS_A_STATEMENT = 1_000


class AskerRows(Statements):
    """Writes rows."""

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
