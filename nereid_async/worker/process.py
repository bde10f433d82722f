"""One worker process: a poller, a few runners, and the lease keeper."""

from __future__ import annotations

import logging
import os
import queue
import resource
import socket
import threading
import time
from collections.abc import Callable

from trytond import backend

from .. import runtime as runtimes
from ..errors import NereidAsyncError
from ..runtime import Runtime
from .admission import Admission
from .hand import Hand
from .job import Job
from .lease import LeaseKeeper
from .options import WorkerOptions
from .poller import Poller
from .reaper import Reaper
from .relay import Relay
from .runner import Runner
from .settlement import Settlement
from .turn import Turn

logger = logging.getLogger(__name__)

#: Exit code of a process that wants to be replaced by a fresh one.
RECYCLED = 90


class WorkerProcess:
    """Runs tasks in this process until told to stop, or in burst until none is left.

    :meth:`run` polls in the calling thread; :meth:`stop` may be called from any
    thread, and from a signal handler.

    :param beat: called after each successful poll, and while all threads are busy.
    :param parent_pid: who has to live for this process to go on.
    :param turn: shared with other processes that poll the same queues.
    :param keeps_house: whether this process relays and reaps besides.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: WorkerOptions,
        beat: Callable[[], None] = lambda: None,
        parent_pid: int | None = None,
        turn: Turn | None = None,
        keeps_house: bool = True,
    ) -> None:
        self._runtime = runtime
        self._options = options
        queues = options.queues_or_default(runtime.settings)
        self._consumer = runtime.broker.consumer(queues)
        self._settlement = Settlement(runtime, self._consumer)
        self._keeper = LeaseKeeper(runtime, self._consumer)
        self._helpers = _helpers(runtime) if keeps_house else []
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._hand = Hand(options.threads)
        self._stopping = threading.Event()
        self._parent_pid = parent_pid or os.getppid()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._poller = Poller(
            runtime,
            options,
            self._consumer,
            Admission(runtime, self._settlement, self.name),
            self._keeper,
            self._hand,
            self._jobs,
            beat,
            self._may_poll,
            turn,
        )

    def stop(self) -> None:
        """Receive nothing more; what runs, finishes."""
        self._stopping.set()
        self._poller.stop()

    def run(self) -> int:
        """Work. Needs the pool to be loaded, and no open transaction.

        :returns: 0, or RECYCLED where another process is to take over.
        """
        _keep_connections(self._runtime.database, self._options.threads)
        self._keeper.start()
        for helper in self._helpers:
            helper.start()
        runners = [
            threading.Thread(target=self._run_jobs, name=f"runner-{i}", daemon=True)
            for i in range(self._options.threads)
        ]
        for runner in runners:
            runner.start()
        try:
            self._poller.run()
        finally:
            if self._stopping.is_set():
                self._give_back_unstarted()
            for _ in runners:
                self._jobs.put(None)
            self._wait_for(runners)
            self._keeper.stop()
            self._keeper.join()
            for helper in self._helpers:
                helper.stop()
            for helper in self._helpers:
                helper.join()
            # A worker ends without Python's exit handlers.
            self._runtime.sender.flush()
            self._consumer.close()
        return RECYCLED if self._worn_out() and not self._stopping.is_set() else 0

    def _wait_for(self, runners: list[threading.Thread]) -> None:
        """Let running tasks finish; once told to stop, for the time of grace only."""
        deadline_s = None
        for runner in runners:
            while runner.is_alive():
                if deadline_s is None and self._stopping.is_set():
                    deadline_s = time.monotonic() + self._options.grace_s
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    logger.warning("tasks still run after the time of grace")
                    return
                runner.join(0.1)

    def _worn_out(self) -> bool:
        """Whether this process has done, or eaten, as much as it may."""
        options = self._options
        if options.max_tasks and self._poller.taken >= options.max_tasks:
            return True
        if not options.max_memory_mb:
            return False
        # The peak, in kB on Linux: what a process has had it seldom gives back.
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak_kb > options.max_memory_mb * 1_024

    def _may_poll(self) -> bool:
        if os.getppid() != self._parent_pid:
            logger.error("the supervisor has died; this process stops")
            return False
        return not self._worn_out()

    def _run_jobs(self) -> None:
        runtimes.activate(self._runtime)
        runner = Runner(self._runtime, self._settlement, self.name)
        while (job := self._jobs.get()) is not None:
            started_s = time.monotonic()
            try:
                if self._stopping.is_set():
                    self._give_back(job)
                else:
                    runner.run(job)
            finally:
                self._keeper.let_go(job)
                self._hand.put_down(time.monotonic() - started_s)

    def _give_back_unstarted(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                self._keeper.let_go(job)
                self._give_back(job)

    def _give_back(self, job: Job) -> None:
        try:
            self._settlement.hand_back(job)
        except NereidAsyncError as error:
            logger.warning("%s not given back: %s", job, error)


def _keep_connections(database: str, threads: int) -> None:
    """Let trytond's pool keep a connection for each thread.

    It keeps ``[database] minconn`` of them, 1 by default, and closes every other one
    after each transaction.
    """
    if backend.name == "postgresql":
        pool = backend.Database(database).connect()._connpool
        pool.minconn = max(pool.minconn, threads)


def _helpers(runtime: Runtime) -> list[Reaper | Relay]:
    """A reaper; and a relay, where there are rows that have to be sent."""
    if runtime.rows is None or runtime.rows_are_messages:
        return [Reaper(runtime)]
    return [Reaper(runtime), Relay(runtime, runtime.rows)]


def run_until_empty(runtime: Runtime, options: WorkerOptions | None = None) -> None:
    """Run in this process, in threads, what can run now; for tests and scripts."""
    WorkerProcess(runtime, options or WorkerOptions(burst=True)).run()
