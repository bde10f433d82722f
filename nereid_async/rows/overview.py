"""What is in each queue: statements that read what is not finished, and what failed."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any, NamedTuple

from trytond import backend

from ..database import connections
from .statements import Statements


class QueueOverview(NamedTuple):
    """What is in a queue.

    :ivar due: tasks that wait for a worker.
    :ivar scheduled: tasks that are not due yet.
    :ivar failed: tasks that have failed for good, and whose rows are kept.
    :ivar oldest_due_s: for how long the oldest due task has waited, in seconds; None
        if none is due.
    :ivar workers: worker processes that run tasks of it.
    """

    queue: str
    due: int = 0
    scheduled: int = 0
    running: int = 0
    failed: int = 0
    oldest_due_s: float | None = None
    workers: int = 0


class OverviewRows(Statements):
    """Counts tasks by queue. Rows of tasks that are done are not read."""

    def overview(self) -> list[QueueOverview]:
        """The queues that have tasks which are not done, by their names."""
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        with connections.autocommit(self.database) as cursor:
            for statement, names in (
                (self._waiting, ("due", "scheduled", "oldest_due_s")),
                (_RUNNING, ("running", "workers")),
                (_FAILED, ("failed",)),
            ):
                self.execute(cursor, statement, [])
                for queue, *values in cursor.fetchall():
                    found[queue].update(zip(names, values, strict=True))
        return [_overview(queue, found[queue]) for queue in sorted(found)]

    def clock_s(self) -> float:
        """The database's clock, in seconds since 1970 (UTC)."""
        if backend.name != "postgresql":
            # SQLite has none of its own.
            return time.time()
        with connections.autocommit(self.database) as cursor:
            cursor.execute("SELECT EXTRACT(EPOCH FROM clock_timestamp())")
            (at_s,) = cursor.fetchone()
        return float(at_s)

    @property
    def _waiting(self) -> str:
        # Each part of the union matches the condition of a partial index.
        return (
            "SELECT queue, SUM(CASE WHEN due_at <= {now} THEN 1 ELSE 0 END), "
            "SUM(CASE WHEN due_at > {now} THEN 1 ELSE 0 END), "
            + self._seconds_between(
                "MIN(CASE WHEN due_at <= {now} THEN due_at END)", "{now}"
            )
            + " FROM (SELECT queue, due_at FROM async_task WHERE state = 'pending' "
            "UNION ALL SELECT queue, due_at FROM async_task WHERE state = 'sent') w "
            "GROUP BY queue"
        )


_RUNNING = (
    "SELECT t.queue, COUNT(*), COUNT(DISTINCT r.worker) FROM async_run r "
    "JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
    "WHERE r.lease_until IS NOT NULL GROUP BY t.queue"
)
_FAILED = "SELECT queue, COUNT(*) FROM async_task WHERE state = 'failed' GROUP BY queue"


def _overview(queue: str, values: dict[str, Any]) -> QueueOverview:
    oldest_s = values.pop("oldest_due_s", None)
    counts = {name: int(value) for name, value in values.items()}
    return QueueOverview(
        queue,
        **counts,
        oldest_due_s=None if oldest_s is None else max(0.0, float(oldest_s)),
    )
