"""The threads of a process that run tasks, and the job of each of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from .. import runtime as runtimes
from ..errors import NereidAsyncError
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from .attempt import Attempt
from .heartbeats import ProcessHeartbeat
from .job import Job
from .lease import LeaseKeeper
from .prefetch import Prefetch
from .runner import Runner
from .settlement import Ending, Settlement
from .thread_alive import alive

logger = logging.getLogger(__name__)


class RunnerThreads:
    """Runs the jobs of each pool, each in one of the threads of the pool.

    Jobs that wait for too long while all threads are busy are handed back.

    :param runner: runs them.
    :param settlement: hands jobs back.
    :param keeper: extends the leases of the jobs; told when a job has ended.
    :param prefetches: one per pool, with the number of its threads.
    :param heartbeat: where the task of each thread is noted.
    :ivar threads: the threads that run jobs.
    :ivar returners: the threads that hand jobs back, one per pool.
    """

    def __init__(
        self,
        runtime: Runtime,
        runner: Runner,
        settlement: Settlement,
        keeper: LeaseKeeper,
        prefetches: Sequence[Prefetch],
        heartbeat: ProcessHeartbeat,
    ) -> None:
        self._runtime = runtime
        self._settlement = settlement
        self._runner = runner
        self._keeper = keeper
        self._prefetches = prefetches
        self._heartbeat = heartbeat
        self._log = ThrottledLog(logger)
        self._closed = False
        self._left: list[Attempt] = []
        self._settled: list[str] = []
        of_threads = [it for it in prefetches for _ in range(it.threads)]
        #: The job of each thread.
        self._at: list[Job | None] = [None] * len(of_threads)
        self.threads = [
            threading.Thread(
                target=self._work, args=(i, prefetch), name=f"runner-{i}", daemon=True
            )
            for i, prefetch in enumerate(of_threads)
        ]
        self.returners = [
            threading.Thread(
                target=self._hand_back_overdue,
                args=(prefetch,),
                name=f"returner-{i}",
                daemon=True,
            )
            for i, prefetch in enumerate(prefetches)
        ]

    def close(self) -> None:
        """Begin no more tasks: those that wait are handed back.

        Safe in a signal handler.
        """
        self._closed = True

    def finish(self) -> None:
        """Let the threads end when no job is left."""
        if self._closed:
            self.hand_back_waiting()
        for prefetch in self._prefetches:
            prefetch.close()

    @property
    def works(self) -> bool:
        """Whether a runner thread is alive that is not left behind."""
        left = [id(attempt.job) for attempt in self._left if attempt.is_stuck]
        pairs = zip(self.threads, self._at, strict=True)
        return any(alive(thread) and id(job) not in left for thread, job in pairs)

    @property
    def running(self) -> list[Job]:
        """The jobs of those threads that are alive, unless they are settled."""
        pairs = zip(self.threads, self._at, strict=True)
        jobs = [job for thread, job in pairs if job is not None and alive(thread)]
        return [job for job in jobs if job.message.id not in self._settled]

    def join(self, timeout_s: float) -> None:
        """Wait for one runner thread to end, up to ``timeout_s`` seconds."""
        for thread in self.threads:
            if alive(thread):
                thread.join(timeout_s)
                return

    def leave_behind(self, attempt: Attempt) -> None:
        """Wait no longer for the thread of a stuck attempt."""
        self._left.append(attempt)

    def abandon_left(self) -> dict[str, Ending]:
        """Let stuck attempts have failed whose threads are left behind.

        :returns: for the rows, when this process has ended; by the ids of the tasks.
        """
        endings = {}
        for attempt in [it for it in self._left if it.is_stuck]:
            try:
                ending = self._runner.abandon(attempt)
            except Exception as error:
                logger.warning("%s not settled: %s", attempt.job, error)
                continue
            if ending is None:
                self._settled.append(attempt.job.message.id)
            else:
                endings[attempt.job.message.id] = ending
        return endings

    def let_go_of_dead(self) -> None:
        """Let the leases of the jobs of dead threads run out."""
        for thread, job in zip(self.threads, self._at, strict=True):
            if job is not None and not alive(thread):
                self._keeper.let_go(job)

    def hand_back_waiting(self) -> None:
        """Hand back the jobs that have not begun."""
        for prefetch in self._prefetches:
            self._hand_back_all(prefetch, prefetch.take_back())

    def _hand_back_overdue(self, prefetch: Prefetch) -> None:
        while jobs := prefetch.overdue():
            logger.info("%d task(s) wait behind long ones: handed back", len(jobs))
            self._hand_back_all(prefetch, jobs)

    def _hand_back_all(self, prefetch: Prefetch, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._keeper.let_go(job)
            self._hand_back(job)
        prefetch.handed_back(jobs)

    def _work(self, number: int, prefetch: Prefetch) -> None:
        runtimes.activate(self._runtime)
        while True:
            try:
                job = prefetch.next()
                if job is None:
                    return
                try:
                    self._run(number, job)
                finally:
                    prefetch.ended(job)
            except BaseException:
                # The thread must go on, whatever the error is.
                logger.critical("a runner thread failed, and goes on", exc_info=True)

    def _run(self, number: int, job: Job) -> None:
        self._at[number] = job
        message = job.message
        self._heartbeat.begins(number, message.target.name, message.time_limit_s)
        try:
            if self._closed:
                self._hand_back(job)
            else:
                if outcome := self._runner.run(job):
                    self._heartbeat.count(number, outcome)
        finally:
            self._keeper.let_go(job)
            self._heartbeat.ends(number)
            self._at[number] = None

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
