"""The parent of a worker's processes: starts, watches and replaces them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from ..runtime import Runtime
from ..wakeup import Handler, on_signals
from . import announce
from .aborted_runs import AbortedRuns, settle
from .child import FINISH, HELD, NOW, run_child
from .health_monitor import HealthMonitor
from .heartbeats import Heartbeats
from .monitoring import Monitoring
from .options import WorkerOptions
from .poll_token import PollToken
from .process import RECYCLED, WorkerProcess

logger = logging.getLogger(__name__)

#: Signals that stop a worker.
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: A process that lived this long is not counted as failing at its start.
_HEALTHY_AFTER_S = 60.0
_LONGEST_PAUSE_S = 30.0
#: How often the parent checks the heartbeats of its children.
_LOOK_S = 1.0
#: How long a process that should have ended may take, before it gets a SIGKILL.
_KILL_DELAY_S = 5.0


@dataclass(frozen=True)
class _Child:
    """A worker process, as its parent sees it.

    :ivar slot: number of its heartbeat, and of its aborted runs.
    :ivar started_at_s: when it was forked, by the monotonic clock.
    """

    pid: int
    slot: int
    started_at_s: float


class Supervisor:
    """Starts processes, passes signals on, and replaces processes that have died.

    Needs a loaded pool, and no open connections.

    :param queues: short names of the queues that are worked on, as known now.
    :param listener: socket on which health and metrics are served; None for nowhere.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: WorkerOptions,
        queues: Sequence[str],
        listener: socket.socket | None = None,
    ) -> None:
        self._runtime = runtime
        self._options = options
        # Noted before the fork: by the time a child asks, its parent may have died.
        self._pid = os.getpid()
        self._heartbeats = Heartbeats(options.processes, options.threads)
        shares = options.processes > 1 and not options.burst
        self._queues = queues
        self._tokens = (
            {it: PollToken(options.intervals) for it in self._queues} if shares else {}
        )
        self._aborted_runs = [
            AbortedRuns(options.threads) for _ in range(options.processes)
        ]
        self._watch = HealthMonitor(self._heartbeats, options)
        self._monitoring: Monitoring | None = None
        if listener is not None:
            self._monitoring = Monitoring(
                runtime,
                options,
                listener,
                self._watch.state,
                self._heartbeats,
                tuple(queues),
            )
        self._children: dict[int, _Child] = {}
        #: When the process of a slot is to be started, by the monotonic clock.
        self._due_at_s: dict[int, float] = dict.fromkeys(range(options.processes), 0.0)
        self._asked_to_stop = 0
        self._failures = 0
        self._kill_at_s = float("inf")
        self._code = 0

    def run(self) -> int:
        """Supervise until the last process has ended; return the worker's exit code."""
        for slot in self._due_at_s:
            self._heartbeats.of(slot).beat()
        handlers: dict[signal.Signals, Handler]
        handlers = dict.fromkeys(_STOP_SIGNALS, self._on_signal)
        # With a handler, the end of a child ends the wait.
        handlers[signal.SIGCHLD] = lambda signum, frame: None
        with on_signals(handlers) as it:
            begun_s = time.monotonic()
            self._start_due()
            monitoring = self._monitoring
            url = None if monitoring is None else monitoring.url
            announce.ready(self._runtime, self._options, url)
            while True:
                self._start_due()
                if not self._children and not self._due_at_s:
                    break
                self._look()
                it.wait(_LOOK_S)
                self._reap_children()
        if monitoring is not None:
            monitoring.end()
        self._watch.end()
        counts, ran_s = self._heartbeats.counts, time.monotonic() - begun_s
        announce.ended(counts, ran_s, self._code)
        return self._code

    def _start_due(self) -> None:
        if self._asked_to_stop:
            self._due_at_s.clear()
        if self._monitoring is not None:
            self._monitoring.start_due()
        now_s = time.monotonic()
        for slot in [s for s, at_s in self._due_at_s.items() if at_s <= now_s]:
            del self._due_at_s[slot]
            self._start(slot)

    def _start(self, slot: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            pid = os.fork()
            if pid == 0:
                code = run_child(slot, lambda: self._make(slot))
                if self._monitoring is not None:
                    self._monitoring.child_ends()
                os._exit(code)
            self._children[pid] = _Child(pid, slot, time.monotonic())
            logger.info("worker process %d started: pid %d", slot, pid)
        except OSError as error:
            # Too many processes, or too little memory: tried again.
            logger.error("worker process %d cannot be started: %s", slot, error)
            self._due_at_s[slot] = time.monotonic() + self._pause_s(0)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    def _make(self, slot: int) -> WorkerProcess:
        if self._monitoring is not None:
            self._monitoring.in_child(slot)
        return WorkerProcess(
            self._runtime,
            self._options,
            self._heartbeats.of(slot),
            self._pid,
            self._tokens,
            # One relay and one reaper per worker; of all workers, one works at a time.
            runs_maintenance=slot == 0,
            aborted_runs=self._aborted_runs[slot],
        )

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._asked_to_stop += 1
        if self._asked_to_stop > 1:
            # A process that hangs in C code does not run its signal handlers.
            self._kill_at_s = min(self._kill_at_s, time.monotonic() + _KILL_DELAY_S)
        self._tell_all(FINISH if self._asked_to_stop == 1 else NOW)

    def _tell_all(self, signum: signal.Signals) -> None:
        for pid in list(self._children):
            with suppress(ProcessLookupError):
                os.kill(pid, signum)

    def _look(self) -> None:
        """Check the heartbeats; exit if a process has sent none for too long.

        This includes slots whose processes die again and again before they receive.
        """
        slots = [child.slot for child in self._children.values()]
        trouble = self._watch.look(
            (*slots, *self._due_at_s), draining=self._asked_to_stop > 0
        )
        if trouble and not self._asked_to_stop:
            self._give_up(trouble)
        if time.monotonic() >= self._kill_at_s:
            self._tell_all(signal.SIGKILL)

    def _give_up(self, trouble: str) -> None:
        logger.critical("%s: this worker exits, and should be restarted", trouble)
        self._code = 1
        self._asked_to_stop = 1
        self._kill_at_s = time.monotonic() + self._options.grace_s + _KILL_DELAY_S
        self._tell_all(FINISH)

    # -- ends ----------------------------------------------------------------------

    def _reap_children(self) -> None:
        """Wait for the processes that have ended, and replace them if need be."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                self._ended(child, os.waitstatus_to_exitcode(status))
            elif self._monitoring is not None:
                self._monitoring.ended(pid)

    def _ended(self, child: _Child, exit_code: int) -> None:
        self._heartbeats.of(child.slot).clear()
        if aborted_runs := self._aborted_runs[child.slot].take(self._runtime):
            settle(aborted_runs, self._runtime, self._queues)
        who = f"worker process {child.slot} (pid {child.pid})"
        if exit_code == RECYCLED:
            self._due_at_s[child.slot] = 0.0
        elif exit_code != 0:
            self._code = 1
            logger.error("%s ended with %d", who, exit_code)
            if not self._options.burst:
                lived_s = time.monotonic() - child.started_at_s
                self._due_at_s[child.slot] = time.monotonic() + self._pause_s(lived_s)
        elif not self._options.burst and not self._asked_to_stop:
            logger.warning("%s was stopped by somebody else: replaced", who)
            self._due_at_s[child.slot] = 0.0

    def _pause_s(self, lived_s: float) -> float:
        """How long to wait before replacing a process that lived ``lived_s`` seconds.

        Doubles with each failure in a row, up to 30 seconds.
        """
        self._failures = 1 if lived_s > _HEALTHY_AFTER_S else self._failures + 1
        return min(2.0 ** (self._failures - 1), _LONGEST_PAUSE_S)
