"""Statements of maintenance: removal of what has expired, and a look at the tables."""

from __future__ import annotations

from ..database import connections
from ..database.errors import is_missing_table
from .statements import OF_NO_OPEN_BATCH, Statements

#: Leases ended by one statement, at most.
_LEASES_A_STATEMENT = 10_000


class MaintenanceRows(Statements):
    """Removes expired rows, results and leases."""

    def reap(self, row_ttl_s: float, limit: int) -> int:
        """Remove expired rows and results; return their number.

        The members of an open batch stay, whatever their age.

        :param row_ttl_s: how long rows of finished tasks are kept, in seconds.
        :param limit: rows changed by each statement, at most.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "WITH old AS MATERIALIZED (SELECT id FROM async_task "
                f"WHERE finished_at < {{later}} AND {OF_NO_OPEN_BATCH} "
                "LIMIT {p} {skip_locked}) "
                "DELETE FROM async_task WHERE id IN (SELECT id FROM old) "
                "RETURNING uuid, id, state",
                [-row_ttl_s, limit],
            )
            rows = cursor.fetchall()
            gone = [uuid for uuid, _, _ in rows]
            if gone:
                self._forget_runs(cursor, gone)
                failed = [row_id for _, row_id, state in rows if state == "failed"]
                self._forget_errors(cursor, failed)
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "WITH stale AS MATERIALIZED (SELECT id FROM async_task "
                "WHERE result IS NOT NULL AND expires_at < {now} "
                "LIMIT {p} {skip_locked}) UPDATE async_task SET result = NULL "
                "WHERE id IN (SELECT id FROM stale) RETURNING uuid",
                [limit],
            )
            return len(gone) + len(cursor.fetchall())

    def end_leases(self, limit: int = _LEASES_A_STATEMENT) -> int:
        """Remove the leases of finished tasks that are over; return their number.

        A finishing run leaves its lease: it must not write the row that its heartbeat
        writes. Such leases would slow down the search for those of dead workers.
        """
        with connections.transaction(self.database, durable=False) as cursor:
            self.execute(
                cursor,
                "WITH over AS MATERIALIZED (SELECT r.id FROM async_run r "
                "LEFT JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
                "WHERE r.lease_until < {now} AND t.id IS NULL "
                "LIMIT {p} {skip_locked_run}) UPDATE async_run SET lease_until = NULL "
                "WHERE id IN (SELECT id FROM over) RETURNING id",
                [limit],
            )
            return len(cursor.fetchall())

    def columns(self, table: str) -> set[str]:
        """The names of the columns of a table; an empty set if there is no table."""
        try:
            with connections.autocommit(self.database) as cursor:
                cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')
                return {column[0] for column in cursor.description}
        except Exception as error:
            if is_missing_table(error):
                return set()
            raise
