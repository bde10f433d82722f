"""One worker process: a poller, a few runners, and the lease keeper."""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time

from trytond import backend

from .. import runtime as runtimes
from ..errors import NereidAsyncError, TransportError
from ..runtime import Runtime
from .admission import admit
from .giving_back import release
from .job import Job
from .lease import LeaseKeeper
from .options import WorkerOptions
from .relay import Relay
from .runner import Runner

logger = logging.getLogger(__name__)

#: Longest wait for a message; SQS allows 20 s, and bills each wait.
_WAIT_S = 20.0
_BURST_WAIT_S = 1.0
_FIRST_FAILURE_PAUSE_S = 0.5
_LONGEST_FAILURE_PAUSE_S = 30.0


class WorkerProcess:
    """Runs tasks in this process until told to stop, or in burst until none is left.

    :meth:`run` polls in the calling thread; :meth:`stop` may be called from any
    thread, and from a signal handler.
    """

    def __init__(self, runtime: Runtime, options: WorkerOptions) -> None:
        self._runtime = runtime
        self._options = options
        queues = options.queues or (runtime.settings.sqs_queue,)
        self._consumer = runtime.broker.consumer(queues)
        self._keeper = LeaseKeeper(runtime, self._consumer)
        self._relay = _relay(runtime)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._slots = threading.Semaphore(options.threads)
        self._stopping = threading.Event()
        self._parent_pid = os.getppid()
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def stop(self) -> None:
        """Receive nothing more; what runs, finishes."""
        self._stopping.set()
        self._consumer.wake()

    def run(self) -> None:
        """Work. Needs the pool to be loaded, and no open transaction."""
        self._keeper.start()
        if self._relay is not None:
            self._relay.start()
        runners = [
            threading.Thread(target=self._run_jobs, name=f"runner-{i}", daemon=True)
            for i in range(self._options.threads)
        ]
        for runner in runners:
            runner.start()
        try:
            self._poll()
        finally:
            self._give_back_unstarted()
            for _ in runners:
                self._jobs.put(None)
            deadline_s = time.monotonic() + self._options.grace_s
            for runner in runners:
                runner.join(max(0.0, deadline_s - time.monotonic()))
            self._keeper.stop()
            self._keeper.join()
            if self._relay is not None:
                self._relay.stop()
                self._relay.join()
            if self._runtime.sent_marks is not None:
                # A worker ends without Python's exit handlers.
                self._runtime.sent_marks.flush()
            self._consumer.close()

    def _poll(self) -> None:
        wait_s = _BURST_WAIT_S if self._options.burst else _WAIT_S
        failures = 0
        while not self._stopping.is_set():
            if os.getppid() != self._parent_pid:
                logger.error("the supervisor has died; this process stops")
                return
            slots = self._take_slots()
            jobs: list[Job] = []
            received = -1
            try:
                deliveries = self._consumer.receive(slots, wait_s) if slots else []
                received = len(deliveries)
                jobs = admit(deliveries, self._runtime, self._consumer)
                failures = 0
            except (NereidAsyncError, backend.DatabaseOperationalError) as error:
                failures += 1
                logger.warning("receiving failed: %s", error, exc_info=_bug(error))
                self._stopping.wait(_failure_pause_s(failures))
            for _ in range(slots - len(jobs)):
                self._slots.release()
            for job in jobs:
                self._keeper.hold(job)
                self._jobs.put(job)
            if self._options.burst and received == 0 and slots == self._options.threads:
                # Nothing came, and nobody is running what might make more.
                return

    def _take_slots(self) -> int:
        """As many runners as are free, waiting for the first."""
        if not self._slots.acquire(timeout=1.0):
            return 0
        slots = 1
        while slots < self._options.threads and self._slots.acquire(blocking=False):
            slots += 1
        return slots

    def _run_jobs(self) -> None:
        runtimes.activate(self._runtime)
        runner = Runner(self._runtime, self._consumer, self.name)
        while (job := self._jobs.get()) is not None:
            try:
                runner.run(job)
            finally:
                self._keeper.let_go(job)
                self._slots.release()

    def _give_back_unstarted(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                continue
            self._keeper.let_go(job)
            try:
                release(job, 0, self._runtime, self._consumer, counts=False)
            except (NereidAsyncError, backend.DatabaseOperationalError) as error:
                logger.warning("%s not given back: %s", job, error)


def _relay(runtime: Runtime) -> Relay | None:
    """A relay, where there are rows that have to be sent."""
    if runtime.rows is None or runtime.rows_are_messages:
        return None
    return Relay(runtime, runtime.rows)


def _bug(error: Exception) -> bool:
    """Whether the log should say where it happened: no passing failure."""
    return not isinstance(error, (TransportError, backend.DatabaseOperationalError))


def _failure_pause_s(failures: int) -> float:
    return min(_FIRST_FAILURE_PAUSE_S * 2.0 ** (failures - 1), _LONGEST_FAILURE_PAUSE_S)


def run_until_empty(runtime: Runtime, options: WorkerOptions | None = None) -> None:
    """Run in this process, in threads, what can run now; for tests and scripts."""
    WorkerProcess(runtime, options or WorkerOptions(burst=True)).run()
