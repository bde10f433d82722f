"""One worker process: pollers, a few runners, and the lease keeper."""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Mapping

from ..database import connection_pool
from ..runtime import Runtime
from .aborted_runs import AbortedRuns
from .dispatch import Dispatcher
from .heartbeats import Heartbeats, ProcessHeartbeat
from .intake import Intake
from .lease import LeaseKeeper
from .maintenance.reaper import Reaper
from .maintenance.relay import Relay
from .options import WorkerOptions
from .poll_token import PollToken
from .pollers import Pollers
from .prefetch import Prefetch
from .runner_threads import RunnerThreads
from .settlement import Settlement
from .thread_alive import alive

logger = logging.getLogger(__name__)

#: Exit code of a process that wants to be replaced by a fresh one.
RECYCLED = 90
#: Exit code of one that has failed.
FAILED = 1

#: How long the other threads may take for what they are at.
_LAST_ROUND_S = 5.0


class WorkerProcess:
    """Runs tasks in this process until told to stop, or in burst until none is left.

    :meth:`run` polls in the calling thread; :meth:`stop` may be called from any
    thread, and from a signal handler.

    :param heartbeat: where it gives signs of life.
    :param parent_pid: who has to live for this process to go on.
    :param tokens: by queue, shared with other processes that poll the same ones.
    :param runs_maintenance: whether this process relays and reaps besides.
    :param cut_runs: where it notes what the time of grace has cut off.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: WorkerOptions,
        heartbeat: ProcessHeartbeat | None = None,
        parent_pid: int | None = None,
        tokens: Mapping[str, PollToken] | None = None,
        runs_maintenance: bool = True,
        aborted_runs: AbortedRuns | None = None,
    ) -> None:
        self._runtime = runtime
        self._options = options
        self._parent_pid = parent_pid or os.getppid()
        self._aborted_runs = aborted_runs
        # Flags, not events: a signal's handler must not wait for a lock.
        self._stopping = False
        self._polls = True
        self._broken = False
        #: When what still runs is cut off.
        self._cut_at_s = float("inf")
        queues = options.queues_or_default(runtime.settings)
        name = f"{socket.gethostname()}:{os.getpid()}"
        heartbeat = heartbeat or Heartbeats(1, options.threads).of(0)
        prefetch = Prefetch(
            options.threads, head_start_s=options.intervals.head_start_s
        )
        self._consumer = runtime.broker.consumer(queues)
        settlement = Settlement(runtime, self._consumer)
        self._keeper = LeaseKeeper(runtime, self._consumer)
        self._helpers = _helpers(runtime, options) if runs_maintenance else []
        self._runner_threads = RunnerThreads(
            runtime,
            settlement,
            self._keeper,
            prefetch,
            heartbeat,
            options,
            name,
        )
        self._dispatcher = Dispatcher(
            runtime,
            Intake(runtime, settlement, name),
            prefetch,
            self._keeper,
            options.max_tasks,
        )
        self._pollers = Pollers(
            self._consumer.receivers,
            self._dispatcher,
            options,
            heartbeat.beat,
            self._may_poll,
            (tokens or {}) if self._consumer.polls_are_billed else {},
        )

    def stop(self) -> None:
        """Receive nothing more; what runs, finishes within the time of grace."""
        self._stopping = True
        self._begin_grace()
        if self._polls:
            self._pollers.stop()

    def run(self) -> int:
        """Work. Needs the pool to be loaded, and no open transaction.

        :returns: 0, RECYCLED where another process is to take over, or FAILED.
        """
        connection_pool.keep(self._runtime.database, self._options.threads)
        for thread in self._threads:
            thread.start()
        try:
            self._pollers.run()
        finally:
            self._polls = False
            self._end()
        if self._broken:
            return FAILED
        return RECYCLED if self._worn_out() and not self._stopping else 0

    @property
    def _threads(self) -> list[threading.Thread]:
        return [
            *self._keeper.threads,
            *self._helpers,
            *self._runner_threads.threads,
            self._runner_threads.returner,
        ]

    def _end(self) -> None:
        self._look_after_threads()
        self._runner_threads.finish()
        self._wait_for_tasks()
        self._runner_threads.give_back_waiting()
        self._runner_threads.returner.join(_LAST_ROUND_S)
        helpers = [it for it in (*self._keeper.threads, *self._helpers) if alive(it)]
        for helper in helpers:
            helper.stop()
        for helper in helpers:
            helper.join(_LAST_ROUND_S)
        # A worker ends without Python's exit handlers.
        self._runtime.sender.flush()
        self._consumer.close()
        self.note_aborted_runs()

    def _begin_grace(self) -> None:
        self._runner_threads.close()
        self._cut_at_s = min(self._cut_at_s, time.monotonic() + self._options.grace_s)

    def _wait_for_tasks(self) -> None:
        """Let running tasks finish; once told to stop, for the time of grace only."""
        while self._runner_threads.works:
            if time.monotonic() >= self._cut_at_s:
                for job in self._runner_threads.running:
                    logger.warning(
                        "%s outlasts the time of grace (%g s): it is cut off",
                        job,
                        self._options.grace_s,
                    )
                return
            self._runner_threads.join(0.1)

    def note_aborted_runs(self) -> None:
        """Note what still runs: the end of this process cuts it off.

        From a signal handler, too.
        """
        if self._aborted_runs is not None:
            self._aborted_runs.note(self._runner_threads.running)

    # -- whether to go on ----------------------------------------------------------

    def _may_poll(self) -> bool:
        self._look_after_threads()
        if os.getppid() != self._parent_pid:
            logger.error("the supervisor has died; this process stops")
            return False
        return not self._broken and not self._worn_out()

    def _look_after_threads(self) -> None:
        """Notice a thread that has ended though nobody told it to."""
        dead = [thread.name for thread in self._threads if not alive(thread)]
        if not dead or self._broken:
            return
        self._broken = True
        logger.critical(
            "thread %s has ended by itself: this process begins no task any more, and "
            "is to be replaced",
            ", ".join(dead),
        )
        self._begin_grace()
        self._runner_threads.let_go_of_dead()

    def _worn_out(self) -> bool:
        """Whether this process has done, or eaten, as much as it may."""
        if self._dispatcher.full:
            return True
        limit_mb = self._options.max_memory_mb
        if not limit_mb or not self._dispatcher.taken:
            # A limit below what a process starts with lets it run a task all the same.
            return False
        # The peak, in kB on Linux: what a process has had it seldom gives back.
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak_kb > limit_mb * 1_024


def _helpers(runtime: Runtime, options: WorkerOptions) -> list[Reaper | Relay]:
    """A reaper; and a relay, where there are rows that have to be sent."""
    reaper = Reaper(runtime, options.intervals)
    if runtime.rows is None or runtime.rows_are_messages:
        return [reaper]
    return [reaper, Relay(runtime, runtime.rows, options.intervals)]


def run_until_empty(runtime: Runtime, options: WorkerOptions | None = None) -> None:
    """Run in this process, in threads, what can run now; for tests and scripts."""
    WorkerProcess(runtime, options or WorkerOptions(burst=True)).run()
