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
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .families import Families
from .recording import Recorder, begin


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


def measure_in(folder: Path, slot: int) -> Callable[[], None]:
    """Count what the tasks of this worker process do, in files of its own.

    :param slot: number of the process, which no other running one has.
    :returns: to be called at the end of the process: it counts what is left.
    """
    from prometheus_client import CollectorRegistry

    count_in(folder, slot)
    registry = CollectorRegistry()
    recorder = Recorder(Families.of(registry), late=True)
    begin(registry, recorder)
    thread = threading.Thread(
        target=recorder.flush_for_ever, name="metrics", daemon=True
    )
    thread.start()
    return recorder.flush


def count_in(folder: Path, slot: int) -> None:
    """Let metrics of this process that are made from now on count in files.

    :param slot: number of the process, which no other running one has.
    """
    from prometheus_client import values

    identifier = [f"{slot}"]

    def in_child() -> None:
        # A process that a task forks must not write into the files of the worker.
        identifier[0] = f"{slot}-{os.getpid()}"

    os.register_at_fork(after_in_child=in_child)
    # prometheus-client takes the folder from nowhere else.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    make: Any = values.MultiProcessValue
    # Asked for at each count, so it is no function that asks the system.
    values.ValueClass = make(partial(identifier.__getitem__, 0))
