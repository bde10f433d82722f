"""The threads of a process that run tasks, and what each of them is at."""

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

    What waits for too long while all of them are busy is given back to other workers.

    :param keeper: has begun to hold what waits there.
    :param heartbeat: where it is told what the threads are at.
    :param name: how rows and logs name this worker.
    :ivar threads: those that run jobs.
    :ivar returner: the thread that gives jobs back.
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
        #: What each thread is at.
        self._at: list[Job | None] = [None] * options.threads
        self.threads = [
            threading.Thread(
                target=self._work, args=(i,), name=f"runner-{i}", daemon=True
            )
            for i in range(options.threads)
        ]
        self.returner = threading.Thread(
            target=self._give_back_overdue, name="returner", daemon=True
        )

    def close(self) -> None:
        """Begin no task any more: what waits is given back. From a signal handler."""
        self._closed = True

    def finish(self) -> None:
        """Let the threads end when nothing waits any more."""
        if self._closed:
            self.give_back_waiting()
        self._prefetch.close()

    @property
    def works(self) -> bool:
        """Whether a thread is alive."""
        return any(alive(thread) for thread in self.threads)

    @property
    def running(self) -> list[Job]:
        """What the threads are at that are alive."""
        pairs = zip(self.threads, self._at, strict=True)
        return [job for thread, job in pairs if job is not None and alive(thread)]

    def join(self, timeout_s: float) -> None:
        """Wait for a thread to end."""
        for thread in self.threads:
            if alive(thread):
                thread.join(timeout_s)
                return

    def let_go_of_dead(self) -> None:
        """Extend no longer what a dead thread was at: its lease runs out."""
        for thread, job in zip(self.threads, self._at, strict=True):
            if job is not None and not alive(thread):
                self._keeper.let_go(job)

    def give_back_waiting(self) -> None:
        """Let other workers have what has not begun here."""
        self._give_back_all(self._prefetch.take_back())

    def _give_back_overdue(self) -> None:
        while jobs := self._prefetch.overdue():
            logger.info("%d task(s) wait behind long ones: given back", len(jobs))
            self._give_back_all(jobs)

    def _give_back_all(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._keeper.let_go(job)
            self._give_back(job)
        self._prefetch.handed_back(jobs)

    def _work(self, number: int) -> None:
        runtimes.activate(self._runtime)
        while True:
            try:
                job = self._prefetch.next()
                if job is None:
                    return
                self._see_to(number, job)
            except BaseException:
                # Whatever it was: a process without threads is worth nothing.
                logger.critical("a runner failed, and goes on", exc_info=True)

    def _see_to(self, number: int, job: Job) -> None:
        self._at[number] = job
        self._heartbeat.begins(number, job.message.target.name)
        try:
            if self._closed:
                self._give_back(job)
            else:
                self._runner.run(job)
        finally:
            self._keeper.let_go(job)
            self._heartbeat.ends(number)
            self._at[number] = None
            self._prefetch.ended(job)

    def _give_back(self, job: Job) -> None:
        try:
            self._settlement.hand_back(job)
        except NereidAsyncError as error:
            # An outage is the same for all that is in hand.
            self._log.warning(
                type(error).__name__,
                "%s not given back: %s",
                job,
                error,
            )
        except Exception:
            # The others are to be given back all the same.
            logger.exception("%s not given back", job)
