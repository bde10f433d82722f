"""Checks before a worker forks, of settings that would make its tasks fail later."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from trytond import backend

from ..database import connections
from ..errors import ConfigurationError
from ..runtime import Runtime
from ..tryton_config import config
from .options import WorkerOptions

logger = logging.getLogger(__name__)

#: trytond's default of ``[database] maxconn``.
_MAXCONN = 64
#: Where Linux reports the memory of this process, in pages.
_STATM = Path("/proc/self/statm")


def check_is_shared(database: str) -> None:
    """Check that other processes than this one can open the database.

    :raises ConfigurationError: it is in memory.
    """
    if connections.is_memory(database):
        raise ConfigurationError(
            f"database {database!r} is in the memory of the process that has made it: "
            "no worker sees what is deferred there. Use a file, or PostgreSQL; in "
            "tests run what was deferred with nereid_async.testing"
        )


def check(runtime: Runtime, options: WorkerOptions, queues: Sequence[str]) -> None:
    """Check connections and memory, after the pool is loaded and before the fork.

    :param queues: short names of the queues that the worker works on.
    :raises ConfigurationError: ``maxconn`` is less than a process needs.
    """
    if backend.name == "postgresql":
        _check_connections(runtime, options, len(queues))
    _warn_of_memory(options.max_memory_mb)


def connections_needed(runtime: Runtime, options: WorkerOptions, queues: int) -> int:
    """Connections that a process uses at a time, at most.

    :param queues: number of queues that it works on.
    """
    # The advisory lock, the lock on the table, and what runs; a row read apart.
    cron = 4 if options.cron else 0
    registration = 1
    if runtime.rows is None:
        # One transaction per task, and the reaper's advisory lock.
        return options.threads + 1 + registration + cron
    # Per task its transaction, and one for progress or a failure.
    tasks = 2 * options.threads + registration + cron
    pools = len(options.pools_or_default(runtime.settings))
    keeper, returners, reaper = 1, pools, 2
    if runtime.rows_are_messages:
        pollers, listeners = pools, pools
        return tasks + keeper + returners + reaper + pollers + listeners
    relay, sent_marks = 2, 1
    return tasks + keeper + returners + reaper + queues + relay + sent_marks


def _check_connections(runtime: Runtime, options: WorkerOptions, queues: int) -> None:
    maxconn = config.getint("database", "maxconn", default=_MAXCONN)
    needed, threads = connections_needed(runtime, options, queues), options.threads
    if maxconn >= needed:
        return
    given = f"{threads} threads" if options.pools else f"--threads {threads}"
    raise ConfigurationError(
        f"[database] maxconn = {maxconn}, and a process with {given} uses "
        f"up to {needed} connections: tasks would wait for one, and fail; set maxconn "
        f"to {needed} or more" + (", or use fewer threads" if threads > 1 else "")
    )


def _warn_of_memory(max_memory_mb: int) -> None:
    has_mb = _resident_mb()
    if max_memory_mb and has_mb > max_memory_mb:
        logger.warning(
            "--max-memory %d is less than the %d MB that a process has before it has "
            "run a task: each is replaced after its first task; set it well above",
            max_memory_mb,
            has_mb,
        )


def _resident_mb() -> int:
    """Resident memory of this process in MB; 0 where the system does not tell."""
    try:
        _, resident_pages, *_ = _STATM.read_text().split()
    except OSError:
        return 0
    return int(resident_pages) * os.sysconf("SC_PAGE_SIZE") // 1_048_576
