"""The options of a worker and their defaults.

The command line is built from these before trytond is imported, since trytond chooses
its database backend at import: nothing here imports it at module level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..queue_selection import ALL_QUEUES
from .intervals import USUAL, Intervals

if TYPE_CHECKING:
    from ..settings import Settings

#: Processes of a worker, and threads of a process, at most. Ours: a guard against
#: slips; no machine of today is well used by more.
PROCESSES_MAX = THREADS_MAX = 256

_PORT_MAX = 65_535

#: Default number of threads. While one waits for the database or a mail server, the
#: other runs; more than two make little difference to tasks that do not wait.
THREADS = 2
#: SQLite lets one transaction write at a time; the others would wait, and time out.
THREADS_ON_SQLITE = 1


@dataclass(frozen=True)
class Pool:
    """Threads of a process that work on the same queues.

    :ivar queues: short names of the queues; ``*`` among them for all that no other pool
        of the worker names.
    :ivar threads: number of the threads.
    """

    queues: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    :ivar queues: short names of the queues; empty for the setting ``sqs_queue``. ``*``
        among them for all queues.
    :ivar pools: threads given to queues, in place of ``queues``; empty for one pool.
    :ivar processes: processes that run tasks.
    :ivar threads: tasks at a time in each process, in all pools together.
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
    :ivar http: host and port on which health and metrics are served; None for nowhere.
    :ivar intervals: how long its threads wait.
    """

    queues: tuple[str, ...] = ()
    pools: tuple[Pool, ...] = ()
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
    http: tuple[str, int] | None = None
    intervals: Intervals = USUAL

    def pools_or_default(self, settings: Settings) -> tuple[Pool, ...]:
        """The pools of a process, never empty."""
        queues = self.queues or (settings.sqs_queue,)
        return self.pools or (Pool(queues, self.threads),)

    def queue_words(self, settings: Settings) -> list[str]:
        """The queues as they are given: with their threads, if they have their own."""
        return [
            f"{queue}:{pool.threads}" if self.pools else queue
            for pool in self.pools_or_default(settings)
            for queue in pool.queues
        ]

    def elsewhere(self, pool: Pool) -> frozenset[str]:
        """Short names of the queues that other pools name."""
        others = [it.queues for it in self.pools if it is not pool]
        return frozenset(queue for queues in others for queue in queues)

    @property
    def named_queues(self) -> list[str]:
        """Short names of the queues that were named for this worker."""
        pools = [pool.queues for pool in self.pools]
        named = [queue for queues in (self.queues, *pools) for queue in queues]
        return [queue for queue in named if queue != ALL_QUEUES]


def queue_options(words: Sequence[str], threads: int | None) -> dict[str, Any]:
    """Options of a worker, from the words of ``--queue`` and the number of threads.

    :param words: short names, each followed by ``:`` and a number, or none of them.
    :param threads: that of ``--threads``; None if it was not given.
    :returns: for :class:`WorkerOptions`: ``queues``, ``pools``, ``threads``.
    :raises ConfigurationError: a number is none, a queue is named twice, or threads are
        given in two ways.
    """
    parted = [word.partition(":") for word in words]
    for queue, _, _ in parted:
        if [name for name, _, _ in parted].count(queue) > 1:
            raise ConfigurationError(f"--queue {queue} is given twice")
    numbered = [word for word in words if ":" in word]
    if not numbered:
        number = default_threads() if threads is None else threads
        return {"queues": tuple(words), "threads": number}
    if len(numbered) < len(words):
        rest = next(word for word in words if ":" not in word)
        raise ConfigurationError(
            f"--queue {rest} beside --queue {numbered[0]}: give threads to each queue, "
            f"as in --queue {rest}:1, or to none"
        )
    if threads is not None:
        raise ConfigurationError(
            f"--threads {threads} beside --queue {numbered[0]}: threads are given to "
            "queues, and their number is the sum; leave --threads out"
        )
    pools = tuple(Pool((queue,), _threads(queue, text)) for queue, _, text in parted)
    total = sum(pool.threads for pool in pools)
    if total > THREADS_MAX:
        raise ConfigurationError(
            f"--queue: {total} threads together; at most {THREADS_MAX}"
        )
    return {"pools": pools, "threads": total}


def _threads(queue: str, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise ConfigurationError(
        f"--queue {queue}:{text}: expected NAME:THREADS, with 1 thread or more"
    )


def http_address(text: str) -> tuple[str, int]:
    """The host and the port of ``--http``.

    :raises ConfigurationError: it is not ``HOST:PORT``.
    """
    host, _, port = text.rpartition(":")
    # An IPv6 address has colons itself, so it stands in brackets.
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = port.isascii() and port.isdigit() and int(port) <= _PORT_MAX
    if not bare or not is_port or (":" in bare and bare == host):
        raise ConfigurationError(
            f"--http {text}: expected HOST:PORT, as in 127.0.0.1:9100 or [::1]:9100"
        )
    return bare, int(port)


def default_threads() -> int:
    """The number of threads of a process where ``--threads`` is not given."""
    from trytond import backend

    return THREADS_ON_SQLITE if backend.name == "sqlite" else THREADS
