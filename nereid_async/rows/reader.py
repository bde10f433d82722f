"""The reader's statements, and the reaper's."""

from __future__ import annotations

from .. import side
from ..results.base import Failure, Outcome, Progress, Status
from ..serialization import loads
from ..states import State
from .statements import Statements, params


class ReaderRows(Statements):
    """Tells where tasks stand, and clears what is over."""

    def status(self, task_id: str) -> Status | None:
        """Tell where a task stands; one read."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "SELECT t.state, t.result, t.error, t.traceback, "
                "CASE WHEN t.acknowledged OR t.expires_at < {now} THEN 1 ELSE 0 END, "
                "r.progress_done, r.progress_total, r.progress_message "
                "FROM async_task t LEFT JOIN async_run r ON r.uuid = t.uuid "
                "WHERE t.uuid = {p}",
                [task_id],
            )
            row = cursor.fetchone()
        return None if row is None else _status(*row)

    def acknowledge(self, task_id: str) -> None:
        """Note that the asker has the outcome, and drop it."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET acknowledged = {true}, result = NULL "
                "WHERE uuid = {p} AND state IN ('done', 'failed')",
                [task_id],
            )

    def reap(self, row_ttl_s: float, limit: int) -> int:
        """Remove old rows, and results whose time is over; returns how many.

        :param row_ttl_s: how long rows of finished tasks are kept.
        :param limit: most rows touched by each statement.
        """
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "WITH old AS MATERIALIZED (SELECT id FROM async_task "
                "WHERE finished_at < {later} LIMIT {p} {skip_locked}) "
                "DELETE FROM async_task WHERE id IN (SELECT id FROM old) "
                "RETURNING uuid",
                [-row_ttl_s, limit],
            )
            gone = [uuid for (uuid,) in cursor.fetchall()]
            if gone:
                self._execute(
                    cursor,
                    f"DELETE FROM async_run WHERE uuid IN ({params(gone)})",
                    gone,
                )
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "WITH stale AS MATERIALIZED (SELECT id FROM async_task "
                "WHERE result IS NOT NULL AND expires_at < {now} "
                "LIMIT {p} {skip_locked}) UPDATE async_task SET result = NULL "
                "WHERE id IN (SELECT id FROM stale) RETURNING uuid",
                [limit],
            )
            return len(gone) + len(cursor.fetchall())

    def columns(self, table: str) -> set[str]:
        """The names of the columns that a table of ours has; one read of no row."""
        with side.autocommit(self.database) as cursor:
            cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')
            return {column[0] for column in cursor.description}

    def count_by_state(self) -> dict[str, int]:
        """How many rows there are in each state."""
        with side.autocommit(self.database) as cursor:
            cursor.execute("SELECT state, count(*) FROM async_task GROUP BY state")
            counts = dict(cursor.fetchall())
        return {state.value: int(counts.get(state.value, 0)) for state in State}


def _status(
    state: str,
    result: str | None,
    error: str | None,
    traceback: str | None,
    gone: int,
    done: float | None,
    total: float | None,
    text: str | None,
) -> Status:
    told = (done, total, text)
    progress = None if told == (None, None, None) else Progress.of(*told)
    where = State(state)
    if not where.finished:
        return Status(where, progress)
    if gone:
        return Status(where, gone=True)
    if error is not None:
        failure = Failure.from_json(loads(error), traceback or "")
        return Status(where, outcome=Outcome(failure=failure))
    outcome = Outcome() if result is None else Outcome.from_json(loads(result))
    return Status(where, outcome=outcome)
