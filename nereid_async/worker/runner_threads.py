"""The threads of a process that run tasks, and the job of each of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from .. import runtime as runtimes
from ..errors import NereidAsyncError
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from .heartbeats import ProcessHeartbeat
from .job import Job
from .lease import LeaseKeeper
from .options import WorkerOptions
from .prefetch import Prefetch
from .runner import Runner
from .settlement import Settlement
from .thread_alive import alive

logger = logging.getLogger(__name__)


class RunnerThreads:
    """Runs the jobs of a prefetch, each in one of its threads.

    Jobs that wait for too long while all threads are busy are handed back.

    :param keeper: extends the leases of the jobs; told when a job has ended.
    :param heartbeat: where the task of each thread is noted.
    :param name: name of this worker, for rows.
    :ivar threads: the threads that run jobs.
    :ivar returner: the thread that hands jobs back.
    """

    def __init__(
        self,
        runtime: Runtime,
        settlement: Settlement,
        keeper: LeaseKeeper,
        prefetch: Prefetch,
        heartbeat: ProcessHeartbeat,
        options: WorkerOptions,
        name: str,
    ) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._runner = Runner(runtime, settlement, name, options.intervals)
        self._keeper = keeper
        self._prefetch = prefetch
        self._heartbeat = heartbeat
        self._log = ThrottledLog(logger)
        self._closed = False
        #: The job of each thread.
        self._at: list[Job | None] = [None] * options.threads
        self.threads = [
            threading.Thread(
                target=self._work, args=(i,), name=f"runner-{i}", daemon=True
            )
            for i in range(options.threads)
        ]
        self.returner = threading.Thread(
            target=self._hand_back_overdue, name="returner", daemon=True
        )

    def close(self) -> None:
        """Begin no more tasks: those that wait are handed back.

        Safe in a signal handler.
        """
        self._closed = True

    def finish(self) -> None:
        """Let the threads end when no job is left."""
        if self._closed:
            self.hand_back_waiting()
        self._prefetch.close()

    @property
    def works(self) -> bool:
        """Whether a runner thread is alive."""
        return any(alive(thread) for thread in self.threads)

    @property
    def running(self) -> list[Job]:
        """The jobs of those threads that are alive."""
        pairs = zip(self.threads, self._at, strict=True)
        return [job for thread, job in pairs if job is not None and alive(thread)]

    def join(self, timeout_s: float) -> None:
        """Wait for one runner thread to end, up to ``timeout_s`` seconds."""
        for thread in self.threads:
            if alive(thread):
                thread.join(timeout_s)
                return

    def let_go_of_dead(self) -> None:
        """Let the leases of the jobs of dead threads run out."""
        for thread, job in zip(self.threads, self._at, strict=True):
            if job is not None and not alive(thread):
                self._keeper.let_go(job)

    def hand_back_waiting(self) -> None:
        """Hand back the jobs that have not begun."""
        self._hand_back_all(self._prefetch.take_back())

    def _hand_back_overdue(self) -> None:
        while jobs := self._prefetch.overdue():
            logger.info("%d task(s) wait behind long ones: handed back", len(jobs))
            self._hand_back_all(jobs)

    def _hand_back_all(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._keeper.let_go(job)
            self._hand_back(job)
        self._prefetch.handed_back(jobs)

    def _work(self, number: int) -> None:
        runtimes.activate(self._runtime)
        while True:
            try:
                job = self._prefetch.next()
                if job is None:
                    return
                self._run(number, job)
            except BaseException:
                # The thread must go on, whatever the error is.
                logger.critical("a runner thread failed, and goes on", exc_info=True)

    def _run(self, number: int, job: Job) -> None:
        self._at[number] = job
        self._heartbeat.begins(number, job.message.target.name)
        try:
            if self._closed:
                self._hand_back(job)
            else:
                self._runner.run(job)
        finally:
            self._keeper.let_go(job)
            self._heartbeat.ends(number)
            self._at[number] = None
            self._prefetch.ended(job)

    def _hand_back(self, job: Job) -> None:
        try:
            self._settlement.hand_back(job)
        except NereidAsyncError as error:
            # Throttled: an outage fails for all jobs in the same way.
            self._log.warning(
                type(error).__name__,
                "%s not handed back: %s",
                job,
                error,
            )
        except Exception:
            # The other jobs must be handed back all the same.
            logger.exception("%s not handed back", job)
