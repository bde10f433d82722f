"""What is looked at before a worker starts, for it would hurt its tasks later."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from trytond import backend
from trytond.config import config

from ..errors import ConfigurationError
from ..runtime import Runtime
from .options import WorkerOptions

logger = logging.getLogger(__name__)

#: What trytond takes if nothing is said.
_MAXCONN = 64
#: Pages of memory that this process has, as Linux tells.
_STATM = Path("/proc/self/statm")


def check(runtime: Runtime, options: WorkerOptions) -> None:
    """Check what this worker is to do; after the pool is loaded, before it forks.

    :raises ConfigurationError: it would not do it.
    """
    if backend.name == "postgresql":
        _check_connections(runtime, options)
    _warn_of_memory(options.max_memory_mb)


def connections_needed(runtime: Runtime, options: WorkerOptions) -> int:
    """How many connections a process may use at a time, when it comes to the worst."""
    if runtime.rows is None:
        # One transaction a task, and the reaper is alone by one.
        return options.threads + 1
    # A task's transaction, and what is written beside it: progress, a failure.
    tasks = 2 * options.threads
    keeper, returner, reaper = 1, 1, 2
    if runtime.rows_are_messages:
        poller, listener = 1, 1
        return tasks + keeper + returner + reaper + poller + listener
    pollers = len(options.queues_or_default(runtime.settings))
    relay, sent_marks = 2, 1
    return tasks + keeper + returner + reaper + pollers + relay + sent_marks


def _check_connections(runtime: Runtime, options: WorkerOptions) -> None:
    maxconn = config.getint("database", "maxconn", default=_MAXCONN)
    needed, threads = connections_needed(runtime, options), options.threads
    if maxconn >= needed:
        return
    raise ConfigurationError(
        f"[database] maxconn = {maxconn}, and a process with --threads {threads} uses "
        f"up to {needed} connections: tasks would wait for one, and fail; set maxconn "
        f"to {needed} or more" + (", or use fewer threads" if threads > 1 else "")
    )


def _warn_of_memory(max_memory_mb: int) -> None:
    has_mb = _resident_mb()
    if max_memory_mb and has_mb > max_memory_mb:
        logger.warning(
            "--max-memory %d is less than the %d MB that a process has before it has "
            "run a task: each is replaced as soon as it has run one; set it well above",
            max_memory_mb,
            has_mb,
        )


def _resident_mb() -> int:
    """The memory that a process has which forks now; 0 where it cannot be told."""
    try:
        _, resident_pages, *_ = _STATM.read_text().split()
    except OSError:
        return 0
    return int(resident_pages) * os.sysconf("SC_PAGE_SIZE") // 1_048_576
