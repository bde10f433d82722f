"""Workers that run in this process, in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nereid_async.worker.intervals import Intervals


def burst(app: Any, *queues: str) -> None:
    """Run a worker with the web app, in this process, until nothing is left to do.

    :param queues: as ``--queue`` takes them; none for the default one.
    """
    _run_worker(app.extensions["nereid_async"], queues)


def burst_database(
    database: str, *queues: str, intervals: Intervals | None = None
) -> None:
    """Run a worker without a web app, in this process, until nothing is left to do.

    :param queues: as ``--queue`` takes them; none for the default one.
    :param intervals: what it keeps to; None for the usual ones.
    """
    from nereid_async.runtime import of_database

    _run_worker(of_database(database), queues, intervals)


@contextmanager
def worker_thread(
    database: str,
    threads: int = 1,
    intervals: Intervals | None = None,
    queues: tuple[str, ...] = (),
) -> Iterator[None]:
    """A worker in threads of this process, until the end of the context.

    :param threads: number of threads; not used where ``queues`` give theirs.
    :param queues: as ``--queue`` takes them; none for the default one.
    :param intervals: what it keeps to; None for the usual ones.
    """
    from nereid_async.runtime import of_database
    from nereid_async.worker.intervals import USUAL
    from nereid_async.worker.options import WorkerOptions
    from nereid_async.worker.process import WorkerProcess

    options = WorkerOptions(
        **_queue_options(queues, threads), intervals=intervals or USUAL
    )
    worker = WorkerProcess(of_database(database), options)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def _run_worker(
    runtime: Any, queues: tuple[str, ...], intervals: Intervals | None = None
) -> None:
    import importlib
    from dataclasses import replace

    from nereid_async.worker.intervals import USUAL
    from nereid_async.worker.options import WorkerOptions
    from nereid_async.worker.process import run_until_empty

    for module in runtime.settings.imports:
        importlib.import_module(module)
    # What the tests look at is there already: no need to wait for more.
    quick = replace(intervals or USUAL, burst_wait_s=0)
    options = WorkerOptions(**_queue_options(queues, 1), burst=True, intervals=quick)
    run_until_empty(runtime, options)


def _queue_options(queues: tuple[str, ...], threads: int) -> dict[str, Any]:
    from nereid_async.worker.options import queue_options

    numbered = any(":" in queue for queue in queues)
    return queue_options(queues, None if numbered else threads)
