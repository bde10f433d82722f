"""One worker process: pollers, runner threads, lease keeper and maintenance."""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Mapping
from typing import TypeAlias

from ..database import connection_pool
from ..rows import Starts
from ..runtime import Runtime
from .aborted_runs import AbortedRuns
from .attempt import Attempt
from .dispatch import Dispatcher, TakenJobs
from .heartbeats import Heartbeats, ProcessHeartbeat
from .held_members import HeldMembers
from .intake import Intake
from .interrupt import Interrupter
from .lease import LeaseKeeper
from .maintenance.batches import BatchSweep
from .maintenance.cron import Cron
from .maintenance.reaper import Reaper
from .maintenance.relay import Relay
from .options import WorkerOptions
from .poll_state import PollState
from .poll_token import PollToken
from .pollers import Pollers, Source
from .prefetch import Prefetch
from .registration import Registration
from .runner import Runner
from .runner_threads import RunnerThreads
from .settlement import Ending, Settlement
from .thread_alive import alive

logger = logging.getLogger(__name__)

Helper: TypeAlias = Reaper | Relay | BatchSweep | Cron

#: Exit code of a process that is to be recycled: replaced by a new one.
RECYCLED = 90
#: Exit code of a process that has failed.
FAILED = 1

#: How long each thread besides the runners may take to end, in seconds.
_JOIN_TIMEOUT_S = 5.0


class WorkerProcess:
    """Runs tasks in this process until told to stop, or in burst until none is left.

    :meth:`run` polls in the calling thread.

    :param heartbeat: where it notes its heartbeats; None for nowhere.
    :param parent_pid: the process drains when its parent is another one; None for the
        present parent.
    :param tokens: by queue, shared with other processes that poll the same queues.
    :param runs_maintenance: whether this process also runs relay and reaper.
    :param aborted_runs: where it notes the tasks that its end aborts.
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
        # Flags, not events: a signal handler must not wait for a lock.
        self._stopping = False
        self._polls = True
        self._broken = False
        self._has_stuck = False
        #: How stuck attempts have failed, by the ids of their tasks.
        self._endings: dict[str, Ending] = {}
        #: When tasks that still run are aborted.
        self._abort_at_s = float("inf")
        name = f"{socket.gethostname()}:{os.getpid()}"
        heartbeat = heartbeat or Heartbeats(1, options.threads).of(0)
        pools = options.pools_or_default(runtime.settings)
        prefetches = [
            Prefetch(pool.threads, start_wait_s=options.intervals.start_wait_s)
            for pool in pools
        ]
        self._consumers = [
            runtime.broker.consumer(pool.queues, options.elsewhere(pool), Starts(name))
            for pool in pools
        ]
        # Each of them settles what any of them has received.
        consumer = self._consumers[0]
        members = HeldMembers()
        settlement = Settlement(runtime, consumer, members)
        self._keeper = LeaseKeeper(runtime, consumer, members)
        #: None in a process that only happens to run tasks, such as a test.
        self._registration = (
            Registration(runtime, options, heartbeat) if self._is_replaced else None
        )
        self._helpers = _helpers(runtime, options) if runs_maintenance else []
        self._interrupter = Interrupter(runtime.settings.time_limit_grace, self._stuck)
        self._runner_threads = RunnerThreads(
            runtime,
            Runner(runtime, settlement, self._interrupter, name, options.intervals),
            settlement,
            self._keeper,
            prefetches,
            heartbeat,
        )
        self._taken = TakenJobs(options.max_tasks)
        intake = Intake(runtime, settlement, name)
        dispatchers = [
            Dispatcher(runtime, intake, prefetch, self._keeper, self._taken)
            for prefetch in prefetches
        ]
        self._pollers = Pollers(
            [Source(*it) for it in zip(self._consumers, dispatchers, strict=True)],
            PollState(dispatchers, self._taken, options, self._may_poll),
            options,
            heartbeat.beat,
            (tokens or {}) if consumer.polls_are_billed else {},
        )

    def stop(self) -> None:
        """Drain: receive nothing more, and let running tasks finish within the grace.

        Safe in any thread and in a signal handler.
        """
        self._stopping = True
        self._begin_grace()
        if self._polls:
            self._pollers.stop()

    def run(self) -> int:
        """Run tasks. Needs a loaded pool, and no open transaction.

        :returns: exit code: 0, :data:`RECYCLED` or :data:`FAILED`.
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
        recycles = self._has_stuck or self._must_recycle()
        return RECYCLED if recycles and not self._stopping else 0

    @property
    def _threads(self) -> list[threading.Thread]:
        return [
            *self._keeper.threads,
            *self._all_helpers,
            *self._interrupter.threads,
            *self._runner_threads.threads,
            *self._runner_threads.returners,
        ]

    @property
    def _all_helpers(self) -> list[Helper | Registration]:
        registration = [] if self._registration is None else [self._registration]
        return [*self._helpers, *registration]

    def _end(self) -> None:
        self._look_after_threads()
        if self._registration is not None:
            self._registration.drain()
        self._runner_threads.finish()
        self._wait_for_tasks()
        self._runner_threads.hand_back_waiting()
        for returner in self._runner_threads.returners:
            returner.join(_JOIN_TIMEOUT_S)
        self._endings = self._runner_threads.abandon_left()
        self._interrupter.stop()
        helpers = [
            it for it in (*self._keeper.threads, *self._all_helpers) if alive(it)
        ]
        for helper in helpers:
            helper.stop()
        for helper in helpers:
            helper.join(_JOIN_TIMEOUT_S)
        # Worker processes end without Python's exit handlers.
        self._runtime.sender.flush()
        self._runtime.tracing.flush()
        for consumer in self._consumers:
            consumer.close()
        self.note_aborted_runs()

    def _begin_grace(self) -> None:
        self._runner_threads.close()
        abort_at_s = time.monotonic() + self._options.grace_s
        self._abort_at_s = min(self._abort_at_s, abort_at_s)

    def _wait_for_tasks(self) -> None:
        """Let running tasks finish; once told to stop, within the shutdown grace."""
        while self._runner_threads.works:
            if time.monotonic() >= self._abort_at_s:
                for job in self._runner_threads.running:
                    logger.warning(
                        "%s outlasts the shutdown grace (%g s): it is aborted",
                        job,
                        self._options.grace_s,
                    )
                return
            self._runner_threads.join(0.1)

    def note_aborted_runs(self) -> None:
        """Note the tasks that still run, since the end of this process aborts them.

        Safe in a signal handler.
        """
        if self._aborted_runs is not None:
            self._aborted_runs.note(self._runner_threads.running, self._endings)

    def _stuck(self, attempt: Attempt) -> None:
        """See to an attempt that nothing can end but the end of this process."""
        logger.error(
            "%s has not ended within %g s after it was interrupted (%s): it waits "
            "outside of Python. %s\n%s",
            attempt.job,
            self._runtime.settings.time_limit_grace,
            attempt.error(),
            "This process begins no more tasks, and will be replaced"
            if self._is_replaced
            else "Nothing would replace this process, so it goes on; it is not so "
            "under `nereid-async worker`",
            attempt.stack,
        )
        if not self._is_replaced:
            return
        self._has_stuck = True
        self._runner_threads.leave_behind(attempt)
        self._begin_grace()
        if self._polls:
            self._pollers.stop()

    @property
    def _is_replaced(self) -> bool:
        """Whether there is a supervisor, who starts another process for this one."""
        return self._aborted_runs is not None

    # -- whether to go on ----------------------------------------------------------

    def _may_poll(self) -> bool:
        self._look_after_threads()
        if os.getppid() != self._parent_pid:
            logger.error("the supervisor has died; this process stops")
            return False
        return not self._broken and not self._must_recycle()

    def _look_after_threads(self) -> None:
        """Drain the process if a thread has ended that was not told to."""
        dead = [thread.name for thread in self._threads if not alive(thread)]
        if not dead or self._broken:
            return
        self._broken = True
        logger.critical(
            "thread %s has ended by itself: this process begins no more tasks, and "
            "will be replaced",
            ", ".join(dead),
        )
        self._begin_grace()
        self._runner_threads.let_go_of_dead()

    def _must_recycle(self) -> bool:
        """Whether this process has reached its limit of tasks or of memory."""
        if self._taken.full:
            return True
        limit_mb = self._options.max_memory_mb
        if not limit_mb or not self._taken.number:
            # One task runs even if the limit is less than a process starts with.
            return False
        # The peak, in kB on Linux; a process seldom returns memory.
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak_kb > limit_mb * 1_024


def _helpers(runtime: Runtime, options: WorkerOptions) -> list[Helper]:
    """A reaper, a sweep of batches, a relay if rows have to be sent, cron if asked."""
    helpers: list[Helper] = [Reaper(runtime, options.intervals)]
    if runtime.rows is not None:
        helpers.append(BatchSweep(runtime, options.intervals))
    if runtime.rows is not None and not runtime.rows_are_messages:
        helpers.append(Relay(runtime, runtime.rows, options.intervals))
    if options.cron:
        helpers.append(Cron(runtime, options.intervals))
    return helpers


def run_until_empty(runtime: Runtime, options: WorkerOptions | None = None) -> None:
    """Run all due tasks in threads of this process; for tests and scripts.

    :param options: None for a burst with one thread.
    """
    WorkerProcess(runtime, options or WorkerOptions(burst=True)).run()
