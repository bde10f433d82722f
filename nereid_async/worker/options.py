"""The options of a worker and their defaults.

The command line is built from these before trytond is imported, since trytond chooses
its database backend at import: nothing here imports it at module level.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .intervals import USUAL, Intervals

if TYPE_CHECKING:
    from ..settings import Settings

#: Processes of a worker, and threads of a process, at most. Ours: a guard against
#: slips; no machine of today is well used by more.
PROCESSES_MAX = THREADS_MAX = 256

#: Default number of threads. While one waits for the database or a mail server, the
#: other runs; more than two make little difference to tasks that do not wait.
THREADS = 2
#: SQLite lets one transaction write at a time; the others would wait, and time out.
THREADS_ON_SQLITE = 1


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    :ivar queues: short names of the queues; empty for the setting ``sqs_queue``.
    :ivar processes: processes that run tasks.
    :ivar threads: tasks at a time in each process.
    :ivar burst: whether the worker ends when no task is left that is due.
    :ivar cron: whether the worker runs what is due of ``ir.cron``.
    :ivar grace_s: shutdown grace: how long running tasks may take to finish after
        SIGTERM, in seconds.
    :ivar max_tasks: tasks after which a process is recycled; 0 for never.
    :ivar max_memory_mb: peak memory after which a process is recycled, in MB of 1024
        kB; 0 for never.
    :ivar stuck_after_s: seconds without a successful receive after which a process is
        reported as stuck.
    :ivar give_up_s: seconds without a successful receive after which the whole worker
        exits with an error.
    :ivar busy_after_s: seconds after which a process is reported as busy whose threads
        all still run the same tasks.
    :ivar health_file: file that the worker's health is written to; None for none.
    :ivar intervals: how long its threads wait.
    """

    queues: tuple[str, ...] = ()
    processes: int = 1
    threads: int = 1
    burst: bool = False
    cron: bool = False
    grace_s: float = 30.0
    max_tasks: int = 0
    max_memory_mb: int = 0
    stuck_after_s: float = 60.0
    give_up_s: float = 300.0
    busy_after_s: float = 3_600.0
    health_file: Path | None = None
    intervals: Intervals = USUAL

    def queues_or_default(self, settings: Settings) -> tuple[str, ...]:
        """The short names of the queues to work on, never empty."""
        return self.queues or (settings.sqs_queue,)


def default_threads() -> int:
    """The number of threads of a process where ``--threads`` is not given."""
    from trytond import backend

    return THREADS_ON_SQLITE if backend.name == "sqlite" else THREADS
