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
from ..brokers.base import Delivery
from ..errors import NereidAsyncError, TransportError
from ..runtime import Runtime
from .admission import admit
from .giving_back import release
from .hand import Hand
from .job import Job
from .lease import LeaseKeeper
from .options import WorkerOptions
from .reaper import Reaper
from .relay import Relay
from .runner import Runner
from .turn import Turn

logger = logging.getLogger(__name__)

#: Longest wait for a message; SQS allows 20 s, and bills each wait.
_WAIT_S = 20.0
_BURST_WAIT_S = 1.0
#: Where messages have just come, whoever else waits for the turn.
_BUSY_WAIT_S = 1.0
#: Exit code of a process that wants to be replaced by a fresh one.
RECYCLED = 90
#: How long the poller waits for a thread to be free before it looks around.
_BUSY_S = 1.0
_FIRST_FAILURE_PAUSE_S = 0.5
_LONGEST_FAILURE_PAUSE_S = 30.0


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
        self._beat = beat
        queues = options.queues_or_default(runtime.settings)
        self._consumer = runtime.broker.consumer(queues)
        self._keeper = LeaseKeeper(runtime, self._consumer)
        self._helpers = _helpers(runtime) if keeps_house else []
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._hand = Hand(options.threads)
        self._stopping = threading.Event()
        self._parent_pid = parent_pid or os.getppid()
        self._taken = 0
        self._turn = turn if self._consumer.polls_are_billed else None
        self._quiet = True
        #: Rings once; an end of the process, not of this object, closes it.
        self._bell_fd, self._ring_fd = os.pipe() if self._turn else (-1, -1)
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def stop(self) -> None:
        """Receive nothing more; what runs, finishes."""
        self._stopping.set()
        if self._turn is not None:
            os.write(self._ring_fd, b"!")
        self._consumer.wake()

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
            self._poll()
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
        if options.max_tasks and self._taken >= options.max_tasks:
            return True
        if not options.max_memory_mb:
            return False
        # The peak, in kB on Linux: what a process has had it seldom gives back.
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak_kb > options.max_memory_mb * 1_024

    def _poll(self) -> None:
        wait_s = _BURST_WAIT_S if self._options.burst else _WAIT_S
        # An idle process has to give signs of life, too.
        wait_s = min(wait_s, self._options.stuck_after_s / 2)
        failures = 0
        while not self._stopping.is_set() and not self._worn_out():
            if os.getppid() != self._parent_pid:
                logger.error("the supervisor has died; this process stops")
                return
            room = self._room()
            idle = self._hand.empty
            if self._options.burst:
                # What the tasks here have deferred is to run as well.
                self._runtime.sender.flush()
            try:
                received = self._take(room, wait_s) if room else -1
                failures = 0
                self._beat()
            except (NereidAsyncError, backend.DatabaseOperationalError) as error:
                received = -1
                failures += 1
                logger.warning("receiving failed: %s", error, exc_info=_bug(error))
                self._stopping.wait(_failure_pause_s(failures))
            if self._options.burst and received == 0 and idle:
                # Nothing came, and nobody is running what might make more.
                return

    def _room(self) -> int:
        """How many jobs to receive now; 0 while the threads are busy."""
        room = self._hand.room(_BUSY_S)
        if self._options.max_tasks:
            room = min(room, self._options.max_tasks - self._taken)
        return room

    def _take(self, room: int, wait_s: float) -> int:
        """Receive, and hand the jobs to the runners; returns how many messages came."""
        deliveries = self._receive(room, wait_s)
        if deliveries is None:
            return -1
        jobs = admit(
            deliveries,
            self._runtime,
            self._consumer,
            self.name,
            at_once=len(deliveries) <= self._hand.free,
        )
        self._taken += len(jobs)
        self._hand.take(len(jobs))
        for job in jobs:
            self._keeper.hold(job)
            self._jobs.put(job)
        self._hand.head_start()
        return len(deliveries)

    def _receive(self, room: int, wait_s: float) -> list[Delivery] | None:
        """Receive; None if it was not this process's turn."""
        if self._turn is None:
            return self._consumer.receive(room, wait_s)
        if not self._quiet:
            # More may follow, and whoever has the turn need not share it out.
            deliveries = self._consumer.receive(room, _BUSY_WAIT_S)
        elif self._turn.take(wait_s, self._bell_fd):
            try:
                deliveries = self._consumer.receive(room, wait_s)
            finally:
                self._turn.pass_on()
        else:
            return None
        self._quiet = not deliveries
        return deliveries

    def _run_jobs(self) -> None:
        runtimes.activate(self._runtime)
        runner = Runner(self._runtime, self._consumer, self.name)
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
        """Let another worker have at once what has not started here."""
        attempts = job.attempt - 1
        try:
            release(job.delivery, job.claim, 0, attempts, self._runtime, self._consumer)
        except (NereidAsyncError, backend.DatabaseOperationalError) as error:
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


def _bug(error: Exception) -> bool:
    """Whether the log should say where it happened: no passing failure."""
    return not isinstance(error, (TransportError, backend.DatabaseOperationalError))


def _failure_pause_s(failures: int) -> float:
    return min(_FIRST_FAILURE_PAUSE_S * 2.0 ** (failures - 1), _LONGEST_FAILURE_PAUSE_S)


def run_until_empty(runtime: Runtime, options: WorkerOptions | None = None) -> None:
    """Run in this process, in threads, what can run now; for tests and scripts."""
    WorkerProcess(runtime, options or WorkerOptions(burst=True)).run()
