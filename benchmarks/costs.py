"""What a task costs: processor time, and what PostgreSQL writes.

Processor time does not depend on what else the machine does, as rates do; it is that
of all processes of a worker, and of all processes of PostgreSQL. What is written is
counted by PostgreSQL itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil
import psycopg2

from devtools.servers import PostgreSQL

#: A session tells its counts when it ends, and the server's reader a moment later.
_COUNTED_AFTER_S = 0.3

_UPDATED = (
    "SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0), "
    "COALESCE(sum(n_tup_hot_upd), 0) FROM pg_stat_user_tables"
)


@dataclass(frozen=True)
class Cost:
    """A reading of the counters, or what a task adds to them.

    :ivar worker_ms: processor time of the workers, in milliseconds.
    :ivar postgresql_ms: processor time of PostgreSQL, in milliseconds.
    :ivar wal_bytes: bytes written to the log of PostgreSQL.
    :ivar rows: rows inserted, updated and deleted.
    :ivar hot_updates: of those, updates that changed no index.
    """

    worker_ms: float
    postgresql_ms: float
    wal_bytes: float
    rows: float = 0.0
    hot_updates: float = 0.0

    def since(self, before: Cost, tasks: int) -> Cost:
        """What each task has added."""
        return Cost(
            *(
                (mine - its) / tasks
                for mine, its in zip(
                    vars(self).values(), vars(before).values(), strict=True
                )
            )
        )


def reading(
    server: PostgreSQL, database: str, workers: Iterable[int], *, rows: bool = False
) -> Cost:
    """Read all counters now.

    :param workers: the pids of a worker's commands.
    :param rows: whether to read what sessions tell late, too; only when they ended.
    """
    worker_ms = sum(_processor_ms(pid) for pid in workers)
    postgresql_ms = _processor_ms(server.process.pid)
    connection = psycopg2.connect(server.uri + database)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            (wal_bytes,) = cursor.fetchone()
            written = (0, 0)
            if rows:
                time.sleep(_COUNTED_AFTER_S)
                cursor.execute(_UPDATED)
                written = cursor.fetchone()
    finally:
        connection.close()
    return Cost(worker_ms, postgresql_ms, float(wal_bytes), *map(float, written))


def _processor_ms(pid: int) -> float:
    """Of a process and all below it, those that have ended included."""
    try:
        process = psutil.Process(pid)
        below = process.children(recursive=True)
        total_s = sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:
        return 0.0
    for one in below:
        try:
            total_s += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total_s * 1_000
