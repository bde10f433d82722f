"""Statements on worker processes: each has a row from its start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from ..database import connections
from ..database.errors import is_missing_table
from ..queue_selection import ALL_QUEUES
from .statements import Statements

RUNNING, DRAINING, LOST = "running", "draining", "lost"
#: A process without a heartbeat for so long counts as lost: four were due.
LOST_AFTER_S = 40.0
#: How long the row of a lost process is kept, for an operator to see it.
_LOST_KEPT_S = 3_600.0

_SEPARATOR = ", "


@dataclass(frozen=True)
class Registered:
    """A worker process, as it tells of itself.

    :ivar uuid: names the process, and those that replace it: they take over its row.
    :ivar version: of nereid_async.
    :ivar queues: short names of the queues that it works on, each followed by ``:`` and
        the number of its threads if they are given to queues.
    """

    uuid: str
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    threads: int


class ListedWorker(NamedTuple):
    """A worker process, as its row tells.

    :ivar queues: as in :class:`Registered`.
    :ivar busy: threads that run a task.
    :ivar state: :data:`RUNNING`, :data:`DRAINING` or :data:`LOST`.
    :ivar started_at: when, in UTC.
    :ivar heartbeat_at: when it has sent its last heartbeat, in UTC.
    :ivar silent_s: the same, in seconds before now.
    """

    host: str
    pid: int
    queues: tuple[str, ...]
    threads: int
    busy: int
    state: str
    version: str
    started_at: str
    heartbeat_at: str
    silent_s: float

    def serves(self, queue: str) -> bool:
        """Whether it works on a queue."""
        return not {queue, ALL_QUEUES}.isdisjoint(self.queue_names)

    @property
    def queue_names(self) -> list[str]:
        """The queues, without the numbers of their threads."""
        return [queue.partition(":")[0] for queue in self.queues]


class WorkerRows(Statements):
    """Registers worker processes, and lists them.

    There is no table where the module is not updated, which only workers without an
    outbox outlive: then nothing is registered.
    """

    def beat(self, worker: Registered, busy: int, state: str, up_s: float) -> bool:
        """Write a heartbeat, and the row itself if there is none.

        :param busy: threads that run a task.
        :param state: :data:`RUNNING` or :data:`DRAINING`.
        :param up_s: how long the process has run, in seconds.
        :returns: False if there is no table.
        """
        with _if_there(), connections.autocommit(self.database) as cursor:
            # No indexed column changes: see RunRows.start.
            self.execute(
                cursor,
                "INSERT INTO async_worker (uuid, host, pid, version, queues, threads, "
                "busy, state, create_date, started_at, heartbeat_at) VALUES ({p}, {p}, "
                "{p}, {p}, {p}, {p}, {p}, {p}, {now}, {later}, {now}) "
                "ON CONFLICT (uuid) DO UPDATE SET busy = excluded.busy, "
                "state = excluded.state, heartbeat_at = excluded.heartbeat_at, "
                "pid = excluded.pid, started_at = CASE WHEN async_worker.pid = "
                "excluded.pid THEN async_worker.started_at "
                "ELSE excluded.started_at END",
                [
                    worker.uuid,
                    worker.host,
                    worker.pid,
                    worker.version,
                    _SEPARATOR.join(worker.queues),
                    worker.threads,
                    busy,
                    state,
                    -up_s,
                ],
                durable=False,
            )
            return True
        return False

    def ended(self, worker: Registered) -> None:
        """Remove the row of a process that ends."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "DELETE FROM async_worker WHERE uuid = {p}",
                [worker.uuid],
                durable=False,
            )

    def forget_lost_workers(self, kept_s: float = _LOST_KEPT_S) -> int:
        """Remove the rows of processes that were lost; return their number.

        :param kept_s: how long ago they were lost at least, in seconds.
        """
        with _if_there(), connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "DELETE FROM async_worker WHERE heartbeat_at < {later}",
                [-(LOST_AFTER_S + kept_s)],
            )
            return int(cursor.rowcount)
        return 0

    def workers(self) -> list[ListedWorker]:
        """The processes, by host and pid; none if there is no table."""
        with _if_there(), connections.autocommit(self.database) as cursor:
            return self.workers_by(cursor)
        return []

    def workers_by(self, cursor: connections.Cursor) -> list[ListedWorker]:
        """As :meth:`workers`, through a cursor."""
        silent = self._seconds_between("heartbeat_at", "{now}")
        self.execute(
            cursor,
            "SELECT host, pid, queues, threads, busy, state, version, started_at, "
            f"heartbeat_at, {silent} FROM async_worker ORDER BY host, pid",
            [],
        )
        return [_listed(*row) for row in cursor.fetchall()]


def _listed(
    host: str, pid: int, queues: str, threads: int, busy: int, state: str, *rest: object
) -> ListedWorker:
    version, started_at, heartbeat_at, silent = rest
    silent_s = max(0.0, float(str(silent)))
    return ListedWorker(
        host,
        pid,
        tuple(queues.split(_SEPARATOR)),
        threads,
        busy,
        LOST if silent_s > LOST_AFTER_S else state,
        str(version),
        _second(started_at),
        _second(heartbeat_at),
        silent_s,
    )


def _second(at: object) -> str:
    return str(at).partition(".")[0]


@contextmanager
def _if_there() -> Iterator[None]:
    """Pass over the error that there is no table."""
    try:
        yield
    except Exception as error:
        if not is_missing_table(error):
            raise
