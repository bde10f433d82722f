"""The processes of a worker: load the pool once, fork, and see to signals."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from trytond import backend
from trytond.cache import Cache
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..names import checked_queue
from ..runtime import Runtime
from .options import WorkerOptions
from .process import WorkerProcess

logger = logging.getLogger(__name__)

#: What asks a worker to stop.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: What the parent sends its children: finish, and end now. Not SIGINT, which a
#: terminal sends to every process by itself.
_FINISH, _NOW = signal.SIGTERM, signal.SIGQUIT


def work(runtime: Runtime, options: WorkerOptions) -> int:
    """Run a worker until it is told to stop, or in burst until nothing is left.

    :returns: exit code: 0 if all processes ended as they should.
    :raises ConfigurationError: the database lacks the module, or a queue's name is
        none.
    """
    for queue in options.queues:
        checked_queue(queue)
    _load_pool(runtime)
    # A signal that comes before the handlers are there waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    before = {signum: signal.getsignal(signum) for signum in _STOP_SIGNALS}
    children: set[int] = set()
    for _ in range(options.processes):
        pid = os.fork()
        if pid == 0:
            os._exit(_child(runtime, options))
        children.add(pid)
    _hand_signals_on(children)
    logger.info("%d worker process(es) started", options.processes)
    try:
        return _wait_for(children)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _load_pool(runtime: Runtime) -> None:
    """Load the pool, and let go of every connection before the fork."""
    database = runtime.database
    with Transaction().start(database, 0, readonly=True):
        Pool(database).init()
    runtime.check_database()
    Cache.drop(database)
    if backend.name == "postgresql":
        backend.Database(database).close()


def _hand_signals_on(children: set[int]) -> None:
    asked = 0

    def on_signal(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        for pid in list(children):
            with suppress(ProcessLookupError):
                os.kill(pid, _FINISH if asked == 1 else _NOW)

    for signum in _STOP_SIGNALS:
        signal.signal(signum, on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


def _wait_for(children: set[int]) -> int:
    code = 0
    while children:
        pid, status = os.wait()
        if pid in children:
            children.remove(pid)
            exit_code = os.waitstatus_to_exitcode(status)
            if exit_code:
                logger.error("worker process %d ended with %d", pid, exit_code)
                code = 1
    return code


def _child(runtime: Runtime, options: WorkerOptions) -> int:
    """A worker process; returns its exit code."""
    process = WorkerProcess(runtime, options)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(_FINISH, lambda signum, frame: process.stop())
    signal.signal(_NOW, lambda signum, frame: os._exit(1))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    try:
        process.run()
    except Exception:
        logger.critical("worker process failed", exc_info=True)
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
