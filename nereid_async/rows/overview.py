"""What is in each queue: statements that read what is not finished, and what failed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from trytond import backend

from ..database import connections
from ..queue_selection import ALL_QUEUES
from .rates import RateRows
from .workers import LOST, ListedWorker, WorkerRows


class QueueOverview(NamedTuple):
    """What is in a queue.

    :ivar due: tasks that wait for a worker.
    :ivar scheduled: tasks that are not due yet.
    :ivar failed: tasks that have failed for good, and whose rows are kept.
    :ivar oldest_due_s: for how long the oldest due task has waited, in seconds; None
        if none is due.
    :ivar rate_per_min: tasks of it that finish a minute, over the last minutes.
    :ivar workers: worker processes that work on it.
    """

    queue: str
    due: int = 0
    scheduled: int = 0
    running: int = 0
    failed: int = 0
    oldest_due_s: float | None = None
    rate_per_min: float = 0.0
    workers: int = 0


class OverviewRows(RateRows, WorkerRows):
    """Counts tasks by queue. Of those that are done only the latest are read."""

    def overview(self) -> list[QueueOverview]:
        """The queues, by their names.

        They are those with tasks that are not done, or finished lately, and those that
        are paused, or that a worker names.
        """
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        with connections.autocommit(self.database) as cursor:
            for statement, names in (
                (self._waiting, ("due", "scheduled", "oldest_due_s")),
                (_RUNNING, ("running",)),
                (_FAILED, ("failed",)),
                (_PAUSED, ()),
            ):
                self.execute(cursor, statement, [])
                for queue, *values in cursor.fetchall():
                    found[queue].update(zip(names, values, strict=True))
            for queue, rate in self.rates_by(cursor).items():
                found[queue]["rate_per_min"] = rate
            alive = [it for it in self.workers_by(cursor) if it.state != LOST]
        named = {name for it in alive for name in it.queue_names}
        queues = (named | found.keys()) - {ALL_QUEUES}
        return [_overview(queue, found[queue], alive) for queue in sorted(queues)]

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
    "SELECT t.queue, COUNT(*) FROM async_run r "
    "JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
    "WHERE r.lease_until IS NOT NULL GROUP BY t.queue"
)
_FAILED = "SELECT queue, COUNT(*) FROM async_task WHERE state = 'failed' GROUP BY queue"
_PAUSED = "SELECT name FROM async_queue WHERE paused"


def _overview(
    queue: str, values: dict[str, Any], alive: Sequence[ListedWorker]
) -> QueueOverview:
    oldest_s = values.get("oldest_due_s")
    names = ("due", "scheduled", "running", "failed")
    return QueueOverview(
        queue,
        **{name: int(values.get(name) or 0) for name in names},
        oldest_due_s=None if oldest_s is None else max(0.0, float(oldest_s)),
        rate_per_min=values.get("rate_per_min", 0.0),
        workers=sum(it.serves(queue) for it in alive),
    )
