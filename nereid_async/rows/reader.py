"""The reader's statements, and the reaper's."""

from __future__ import annotations

import logging
from typing import NamedTuple

from .. import side
from ..database_errors import is_missing_table
from ..errors import MessageError
from ..results.base import Failure, Outcome, Progress, Status
from ..serialization import loads
from ..states import State
from ..throttled_log import ThrottledLog
from .statements import Statements, params

_throttled = ThrottledLog(logging.getLogger(__name__))


class _Standing(NamedTuple):
    """What a row says of its task."""

    state: str
    result: str | None
    error: str | None
    traceback: str | None
    gone: int
    done: float | None
    total: float | None
    text: str | None

    @property
    def where(self) -> State:
        return State(self.state)

    @property
    def progress(self) -> Progress | None:
        told = (self.done, self.total, self.text)
        return None if told == (None, None, None) else Progress.of(*told)


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
        return None if row is None else self._status(task_id, _Standing(*row))

    def _status(self, task_id: str, row: _Standing) -> Status:
        if not row.where.finished:
            return Status(row.where, row.progress)
        if row.gone:
            return Status(row.where, gone=True)
        try:
            return Status(row.where, outcome=self._outcome(task_id, row))
        except MessageError as error:
            kind = "outcome", type(error)
            _throttled.error(kind, "result of task %s: %s", task_id, error)
            return Status(row.where, gone=True)

    def _outcome(self, task_id: str, row: _Standing) -> Outcome:
        if row.error is not None:
            failure = Failure.from_json(loads(row.error), row.traceback or "")
            return Outcome(failure=failure)
        if row.result is None:
            return Outcome()
        return self._outcomes.from_json(task_id, loads(row.result))

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
        """The names of the columns that a table of ours has; one read of no row.

        None of them if there is no such table.
        """
        try:
            with side.autocommit(self.database) as cursor:
                cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')
                return {column[0] for column in cursor.description}
        except Exception as error:
            if is_missing_table(error):
                return set()
            raise

    def count_by_state(self) -> dict[str, int]:
        """How many rows there are in each state."""
        with side.autocommit(self.database) as cursor:
            cursor.execute("SELECT state, count(*) FROM async_task GROUP BY state")
            counts = dict(cursor.fetchall())
        return {state.value: int(counts.get(state.value, 0)) for state in State}

    def count_due_by_queue(self) -> dict[str, int]:
        """How many rows of each queue wait for a worker, by the queues' short names."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "SELECT queue, count(*) FROM async_task "
                "WHERE state IN ('pending', 'sent') AND due_at <= {now} "
                "GROUP BY queue ORDER BY queue",
                [],
            )
            return {queue: int(count) for queue, count in cursor.fetchall()}
