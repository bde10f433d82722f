"""How a worker is to work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trytond import backend

from ..settings import Settings


@dataclass(frozen=True)
class WorkerOptions:
    """What the commands take.

    :ivar queues: short names of the queues; empty for the default one.
    :ivar processes: processes that run tasks.
    :ivar threads: tasks at a time in each process.
    :ivar burst: end when nothing is left that can run now.
    :ivar grace_s: how long running tasks may take to finish once told to stop, in
        seconds.
    :ivar max_tasks: tasks after which a process is replaced by a fresh one; 0 for
        any number.
    :ivar max_memory_mb: peak memory after which it is, in MB (1024 kB); 0 for any.
    :ivar stuck_after_s: seconds without a successful receive after which a process is
        said to be stuck.
    :ivar give_up_s: seconds after which the whole worker ends with an error.
    :ivar busy_after_s: seconds after which it is told that all threads of a process
        are still busy with the same tasks.
    :ivar health_file: where it is told how the worker is; None for nowhere.
    """

    queues: tuple[str, ...] = ()
    processes: int = 1
    threads: int = 1
    burst: bool = False
    grace_s: float = 30.0
    max_tasks: int = 0
    max_memory_mb: int = 0
    stuck_after_s: float = 60.0
    give_up_s: float = 300.0
    busy_after_s: float = 3_600.0
    health_file: Path | None = None

    def queues_or_default(self, settings: Settings) -> tuple[str, ...]:
        """The queues to work on."""
        return self.queues or (settings.sqs_queue,)


def usual_threads() -> int:
    """How many tasks run at a time in a process of which nothing else was said.

    While one waits for its database, or for a mail server, another one goes on; more
    than two make little difference to tasks that do not wait. A SQLite file takes one
    transaction that writes, and the others would wait for it, and fail.
    """
    return 1 if backend.name == "sqlite" else 2
