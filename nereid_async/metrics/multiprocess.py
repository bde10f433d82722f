"""The folder by which processes of a worker pass their counts to the one that serves.

Each process writes files of its own, mapped into memory; at a scrape they are read and
summed (prometheus-client's multiprocess mode). They are named after the slot of the
process, not after its pid: one that is replaced goes on with the counts of the one
before, so there are never more files than processes, and no count falls or is left
behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .recording import measure


def make_folder() -> Path:
    """Make the folder, before the fork.

    :raises ConfigurationError: there is no place for it.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="nereid-async-metrics-"))
    except OSError as error:
        raise ConfigurationError(
            f"metrics need a folder for temporary files: {error}; set TMPDIR"
        ) from error


def remove_folder(folder: Path) -> None:
    """Remove the folder, since no process writes to it any more. Never raises."""
    shutil.rmtree(folder, ignore_errors=True)


def measure_in(folder: Path, slot: int) -> None:
    """Count what the tasks of this worker process do, in files of its own.

    :param slot: number of the process, which no other running one has.
    """
    from prometheus_client import CollectorRegistry

    count_in(folder, slot)
    measure(CollectorRegistry())


def count_in(folder: Path, slot: int) -> None:
    """Let metrics of this process that are made from now on count in files.

    :param slot: number of the process, which no other running one has.
    """
    from prometheus_client import values

    worker_pid = os.getpid()

    def identifier() -> str:
        # A process that a task forks must not write into the files of the worker.
        pid = os.getpid()
        return f"{slot}" if pid == worker_pid else f"{slot}-{pid}"

    # prometheus-client takes the folder from nowhere else.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    make: Any = values.MultiProcessValue
    values.ValueClass = make(identifier)
