"""Statements on queues: which are paused, and what still runs of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..database import connections
from ..queue_selection import ALL_QUEUES
from .statements import Statements, params


@dataclass(frozen=True)
class Pause:
    """A pause that holds.

    :ivar queue: short name of the queue, or :data:`ALL_QUEUES`.
    :ivar since: when it began, in UTC.
    :ivar by: name of the Tryton user who paused it; None for the command line.
    """

    queue: str
    since: str
    by: str | None

    def __str__(self) -> str:
        what = (
            "all queues are" if self.queue == ALL_QUEUES else f"queue {self.queue} is"
        )
        by = "" if self.by is None else f", by {self.by}"
        return f"{what} paused since {self.since} UTC{by}"


@dataclass(frozen=True)
class RunningTask:
    """A task that a worker has claimed.

    :ivar worker: the worker that runs it; None before it has started.
    """

    id: str
    name: str
    queue: str
    worker: str | None

    def __str__(self) -> str:
        where = "not started yet" if self.worker is None else f"on {self.worker}"
        return f"task {self.id} ({self.name}), queue {self.queue}, {where}"


class QueueRows(Statements):
    """Pauses and resumes queues, and tells what is in them."""

    def pause(self, queue: str, user: int | None = None) -> bool:
        """Let workers claim nothing more of a queue, until it is resumed.

        Workers notice within two seconds. What they have claimed runs to its end.

        :param queue: its short name, or :data:`ALL_QUEUES`.
        :param user: id of the Tryton user who pauses it.
        :returns: False if it was paused before.
        """
        return self._change(
            "INSERT INTO async_queue (name, create_date, paused, paused_at, paused_by) "
            "VALUES ({p}, {now}, {true}, {now}, {p}) ON CONFLICT (name) DO UPDATE SET "
            "paused = {true}, paused_at = excluded.paused_at, "
            "paused_by = excluded.paused_by WHERE NOT async_queue.paused "
            "RETURNING name",
            [queue, user],
        )

    def resume(self, queue: str) -> bool:
        """End the pause of a queue; workers notice within two seconds.

        The pause of a single queue and that of all queues are apart: each holds until
        it is ended itself.

        :param queue: its short name, or :data:`ALL_QUEUES`.
        :returns: False if it was not paused.
        """
        return self._change(
            "UPDATE async_queue SET paused = false, paused_at = NULL, "
            "paused_by = NULL WHERE name = {p} AND paused RETURNING name",
            [queue],
        )

    def _change(self, statement: str, parameters: Sequence[str | int | None]) -> bool:
        with connections.transaction(self.database) as cursor:
            self.execute(cursor, statement, parameters)
            changed = cursor.fetchone() is not None
            self._wake_workers(cursor)
            return changed

    def paused_queues(self) -> frozenset[str]:
        """Short names of the paused queues, and :data:`ALL_QUEUES` if all are."""
        with connections.autocommit(self.database) as cursor:
            cursor.execute("SELECT name FROM async_queue WHERE paused")
            return frozenset(name for (name,) in cursor.fetchall())

    def pauses(self) -> list[Pause]:
        """The pauses that hold, by the names of the queues."""
        with connections.autocommit(self.database) as cursor:
            cursor.execute(
                "SELECT q.name, q.paused_at, u.name FROM async_queue q "
                "LEFT JOIN res_user u ON u.id = q.paused_by "
                "WHERE q.paused ORDER BY q.name"
            )
            return [
                Pause(queue, str(since).partition(".")[0], by)
                for queue, since, by in cursor.fetchall()
            ]

    def running_tasks(self, queues: Sequence[str]) -> list[RunningTask]:
        """Tasks of these queues that workers have claimed, and whose lease holds.

        :param queues: short names, or :data:`ALL_QUEUES` among them.
        """
        condition = f"AND t.queue IN ({params(queues)}) "
        if ALL_QUEUES in queues:
            condition, queues = "", []
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT t.uuid, t.name, t.queue, r.worker FROM async_run r "
                "JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
                f"WHERE r.lease_until >= {{now}} {condition}ORDER BY t.id",
                queues,
            )
            return [RunningTask(*row) for row in cursor.fetchall()]

    def pending_queues(self) -> list[str]:
        """Short names of the queues of pending rows, in order.

        One search of an index for each queue, however many rows they have.
        """
        following = "SELECT min(queue) AS queue FROM async_task WHERE state = 'pending'"
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"WITH RECURSIVE found AS ({following} UNION ALL "
                f"SELECT ({following} AND queue > found.queue) FROM found "
                "WHERE found.queue IS NOT NULL) "
                "SELECT queue FROM found WHERE queue IS NOT NULL",
                [],
            )
            return [queue for (queue,) in cursor.fetchall()]

    def unknown_queues(self, queues: Iterable[str]) -> list[str]:
        """Those of the queues to which no task was deferred, as far as rows tell.

        :param queues: short names; ``*`` is known.
        """
        unknown = []
        with connections.autocommit(self.database) as cursor:
            for queue in queues:
                self.execute(
                    cursor,
                    "SELECT 1 FROM async_task WHERE queue = {p} LIMIT 1",
                    [queue],
                )
                if queue != ALL_QUEUES and cursor.fetchone() is None:
                    unknown.append(queue)
        return unknown
