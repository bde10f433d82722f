"""The processes of a worker: load the pool once, fork, and see to signals."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

from trytond import backend
from trytond.cache import Cache

from ..names import checked_queue
from ..runtime import Runtime
from .options import WorkerOptions
from .process import RECYCLED, WorkerProcess

logger = logging.getLogger(__name__)

#: What asks a worker to stop.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: What the parent sends its children: finish, and end now. Not SIGINT, which a
#: terminal sends to every process by itself.
_FINISH, _NOW = signal.SIGTERM, signal.SIGQUIT


#: A process that lived this long has not failed at its start.
_HEALTHY_AFTER_S = 60.0
_LONGEST_PAUSE_S = 30.0


def work(runtime: Runtime, options: WorkerOptions) -> int:
    """Run a worker until it is told to stop, or in burst until nothing is left.

    :returns: exit code: 0 if all processes ended as they should.
    :raises ConfigurationError: the database lacks the module, or a queue's name is
        none.
    """
    for queue in options.queues:
        checked_queue(queue)
    _load_pool(runtime)
    return _Supervisor(runtime, options).run()


def _load_pool(runtime: Runtime) -> None:
    """Load the pool, and let go of every connection before the fork."""
    runtime.load_pool()
    Cache.drop(runtime.database)
    if backend.name == "postgresql":
        backend.Database(runtime.database).close()


class _Supervisor:
    """The parent: starts processes, hands signals on, replaces what has died."""

    def __init__(self, runtime: Runtime, options: WorkerOptions) -> None:
        self._runtime = runtime
        self._options = options
        self._started_at_s: dict[int, float] = {}
        self._asked_to_stop = 0
        self._failures = 0

    def run(self) -> int:
        """Supervise until the last process has ended."""
        before = {signum: signal.getsignal(signum) for signum in _STOP_SIGNALS}
        for signum in _STOP_SIGNALS:
            signal.signal(signum, self._on_signal)
        try:
            for _ in range(self._options.processes):
                self._start()
            logger.info("%d worker process(es) started", self._options.processes)
            return self._wait()
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _start(self) -> None:
        # A signal that comes before the child's handlers are there waits for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                os._exit(_child(self._runtime, self._options))
            self._started_at_s[pid] = time.monotonic()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._asked_to_stop += 1
        for pid in list(self._started_at_s):
            with suppress(ProcessLookupError):
                os.kill(pid, _FINISH if self._asked_to_stop == 1 else _NOW)

    def _wait(self) -> int:
        code = 0
        while self._started_at_s:
            pid, status = os.wait()
            started_at_s = self._started_at_s.pop(pid, None)
            if started_at_s is None:
                continue
            exit_code = os.waitstatus_to_exitcode(status)
            if exit_code == RECYCLED and not self._asked_to_stop:
                self._start()
            elif exit_code not in (0, RECYCLED):
                code = 1
                logger.error("worker process %d ended with %d", pid, exit_code)
                self._replace(time.monotonic() - started_at_s)
        return code

    def _replace(self, lived_s: float) -> None:
        """Start another process for one that has died, not too fast in a row."""
        if self._options.burst or self._asked_to_stop:
            return
        self._failures = 1 if lived_s > _HEALTHY_AFTER_S else self._failures + 1
        time.sleep(min(2.0 ** (self._failures - 1), _LONGEST_PAUSE_S))
        if not self._asked_to_stop:
            self._start()


def _child(runtime: Runtime, options: WorkerOptions) -> int:
    """A worker process; returns its exit code."""
    process = WorkerProcess(runtime, options)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(_FINISH, lambda signum, frame: process.stop())
    signal.signal(_NOW, lambda signum, frame: os._exit(1))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    try:
        return process.run()
    except Exception:
        logger.critical("worker process failed", exc_info=True)
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
