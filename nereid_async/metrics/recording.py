"""Counts what the signals of this process tell."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from blinker import NamedSignal

from .. import signals
from ..errors import ConfigurationError
from ..messages.message import Message, Target
from .families import INSTALL, Families, is_installed

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)

#: Pairs of task and queue that a process counts apart. Names are signed, so that only
#: our own code chooses them; this bounds what a slip in it may cost.
TASKS_MAX = 500
#: The task and the queue of what exceeds that.
OTHER = "(other)"
#: How tasks end for good, and why what was deferred never leaves.
OUTCOMES = ("done", "failed", "cancelled")
REASONS = ("rollback", "write failed", "cancelled")

_Series = TypeVar("_Series")
_NO_RUN = (None, 0.0)
#: How long a worker's counts may be behind.
_FLUSH_PAUSE_S = 0.5


class _Deferrals:
    """The series of one task and queue in the processes that defer.

    All are there from the first event on, at 0: Prometheus sees no increase in a series
    that begins with 1. To look them up by their labels takes as long as to count.
    """

    def __init__(self, families: Families, *labels: str) -> None:
        self.deferred = families.deferred.labels(*labels)
        self.sent = families.sent.labels(*labels)
        self.relayed = families.relayed.labels(*labels)
        self.merged = {
            replaced: families.merged.labels(*labels, outcome)
            for replaced, outcome in ((False, "kept"), (True, "replaced"))
        }
        self.discarded = {
            reason: families.discarded.labels(*labels, reason) for reason in REASONS
        }


class _Runs:
    """The same in the processes that run it."""

    def __init__(self, families: Families, *labels: str) -> None:
        self.started = families.started.labels(*labels)
        self.retried = families.retried.labels(*labels)
        self.done, self.failed, self.cancelled = (
            families.finished.labels(*labels, outcome) for outcome in OUTCOMES
        )
        self.leases_lost = families.leases_lost.labels(*labels)
        self.duplicates = families.duplicates.labels(*labels)
        self.wait = families.wait.labels(*labels)
        self.run = families.run.labels(*labels)


class Recorder:
    """Receives the signals of all databases of this process. Thread-safe.

    :param late: whether to count when :meth:`flush` is called. Amid a task, counting
        would take five times as long, since the processor is at something else.
    """

    def __init__(self, families: Families, *, late: bool = False) -> None:
        self._families = families
        self._events: deque[tuple[Callable[..., None], Any, str, float | None]]
        self._events = deque()
        self._late = late
        self._deferrals: dict[tuple[str, str], _Deferrals] = {}
        self._runs: dict[tuple[str, str], _Runs] = {}
        #: The attempt that a thread runs: the task's id, and when it began.
        self._local = threading.local()
        self._receivers: list[tuple[NamedSignal, Callable[..., None]]] = [
            (signals.task_deferred, self._deferred),
            (signals.task_merged, self._merged),
            (signals.task_discarded, self._discarded),
            (signals.task_sent, self._sent),
            (signals.tasks_relayed, self._relayed),
            (signals.task_started, self._started),
            (signals.task_retried, self._retried),
            (signals.task_succeeded, self._succeeded),
            (signals.task_failed, self._failed),
            (signals.task_cancelled, self._cancelled),
            (signals.lease_lost, self._lease_lost),
            (signals.duplicate_dropped, self._duplicate),
            (signals.sqs_called, self._sqs_called),
        ]

    def connect(self) -> None:
        """Begin to count."""
        for signal, receiver in self._receivers:
            signal.connect(receiver, weak=False)

    def disconnect(self) -> None:
        """Count nothing more."""
        for signal, receiver in self._receivers:
            signal.disconnect(receiver)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Count inside the context only."""
        self.connect()
        try:
            yield
        finally:
            self.disconnect()

    def _deferrals_of(self, task: str, queue: str) -> _Deferrals:
        return _found(self._deferrals, _Deferrals, self._families, task, queue)

    def _runs_of(self, task: str, queue: str) -> _Runs:
        return _found(self._runs, _Runs, self._families, task, queue)

    def _deferral(self, message: Message) -> _Deferrals:
        return self._deferrals_of(message.target.name, message.queue)

    # -- who defers ----------------------------------------------------------------

    def _deferred(self, database: str, message: Message) -> None:
        self._deferral(message).deferred.inc()

    def _merged(
        self, database: str, message: Message, task_id: str, replaced: bool
    ) -> None:
        self._deferral(message).merged[replaced].inc()

    def _discarded(self, database: str, message: Message, reason: str) -> None:
        self._deferral(message).discarded[reason].inc()

    def _sent(self, database: str, message: Message) -> None:
        self._deferral(message).sent.inc()

    # -- who runs ------------------------------------------------------------------

    def _started(self, database: str, message: Message, attempt: int) -> None:
        # Of a later attempt the message does not tell when it was due.
        waited_s = time.time() - message.due_at_s if attempt == 1 else None
        self._local.run = message.id, time.monotonic()
        self._note(self._count_start, message, waited_s)

    def _count_start(self, target: Target, queue: str, waited_s: float | None) -> None:
        task = self._runs_of(target.name, queue)
        task.started.inc()
        if waited_s is not None:
            # Not below 0, whatever the clocks of two machines say.
            task.wait.observe(max(0.0, waited_s))

    def _retried(self, database: str, message: Message, **_: Any) -> None:
        self._ended(self._count_retry, message)

    def _count_retry(self, target: Target, queue: str, ran_s: float | None) -> None:
        self._count_run(target, queue, ran_s).retried.inc()

    def _succeeded(self, database: str, message: Message, **_: Any) -> None:
        self._ended(self._count_success, message)

    def _count_success(self, target: Target, queue: str, ran_s: float | None) -> None:
        self._count_run(target, queue, ran_s).done.inc()

    def _failed(self, database: str, message: Message, **_: Any) -> None:
        self._ended(self._count_failure, message)

    def _count_failure(self, target: Target, queue: str, ran_s: float | None) -> None:
        self._count_run(target, queue, ran_s).failed.inc()

    def _cancelled(self, database: str, message: Message, **_: Any) -> None:
        self._ended(self._count_cancel, message)

    def _count_cancel(self, target: Target, queue: str, ran_s: float | None) -> None:
        self._count_run(target, queue, ran_s).cancelled.inc()

    def _lease_lost(self, database: str, message: Message, **_: Any) -> None:
        self._ended(self._count_loss, message)

    def _count_loss(self, target: Target, queue: str, ran_s: float | None) -> None:
        self._count_run(target, queue, ran_s).leases_lost.inc()

    def _count_run(self, target: Target, queue: str, ran_s: float | None) -> _Runs:
        task = self._runs_of(target.name, queue)
        if ran_s is not None:
            task.run.observe(ran_s)
        return task

    def _ended(self, count: Callable[..., None], message: Message) -> None:
        """Note that the attempt which this thread runs, if any, has ended."""
        id, begun_s = getattr(self._local, "run", _NO_RUN)
        ran_s = None
        if id == message.id:
            ran_s = time.monotonic() - begun_s
            self._local.run = _NO_RUN
        self._note(count, message, ran_s)

    def _note(
        self, count: Callable[..., None], message: Message, seconds: float | None
    ) -> None:
        if self._late:
            self._events.append((count, message.target, message.queue, seconds))
        else:
            count(message.target, message.queue, seconds)

    def flush(self) -> None:
        """Count what was noted. Never raises."""
        with suppress(IndexError):
            while True:
                count, target, queue, seconds = self._events.popleft()
                try:
                    count(target, queue, seconds)
                except Exception:
                    logger.exception("a task is not counted")

    def flush_for_ever(self) -> None:
        """Count twice a second what was noted; for a thread."""
        while True:
            time.sleep(_FLUSH_PAUSE_S)
            self.flush()

    # -- what carries --------------------------------------------------------------

    def _relayed(self, database: str, tasks: Sequence[tuple[str, str]]) -> None:
        for task, queue in tasks:
            self._deferrals_of(task, queue).relayed.inc()

    def _duplicate(self, database: str, task: str, queue: str) -> None:
        self._runs_of(task, queue).duplicates.inc()

    def _sqs_called(self, database: str, operation: str, outcome: str) -> None:
        self._families.sqs_calls.labels(operation, outcome).inc()


def _found(
    known: dict[tuple[str, str], _Series],
    make: Callable[..., _Series],
    families: Families,
    task: str,
    queue: str,
) -> _Series:
    """The series of a task and queue; those of others once there are too many."""
    found = known.get((task, queue))
    if found is not None:
        return found
    if len(known) >= TASKS_MAX:
        task = queue = OTHER
    # Two threads may make it; they count in the same series.
    return known.setdefault((task, queue), make(families, task, queue))


_lock = threading.Lock()
_measuring: list[tuple[Any, Recorder]] = []


def measure(registry: CollectorRegistry | None = None) -> None:
    """Count what the tasks of this process do, in a registry of prometheus-client.

    For processes that defer; workers with ``--http`` do it by themselves. Called again
    with the same registry it does nothing; with another one, it counts there from now
    on.

    :param registry: None for prometheus-client's own, ``REGISTRY``.
    :raises ConfigurationError: prometheus-client is not installed.
    """
    if not is_installed():
        raise ConfigurationError(INSTALL)
    import prometheus_client

    there = prometheus_client.REGISTRY if registry is None else registry
    if not _measuring or _measuring[0][0] is not there:
        begin(there, Recorder(Families.of(there)))


def begin(registry: CollectorRegistry, recorder: Recorder) -> None:
    """Let this recorder count from now on, in place of the one before."""
    with _lock:
        for _, earlier in _measuring:
            earlier.disconnect()
        _measuring[:] = [(registry, recorder)]
        recorder.connect()
