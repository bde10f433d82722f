"""Counts what the signals of this process tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from blinker import NamedSignal

from .. import signals
from ..errors import ConfigurationError
from ..messages.message import Message
from .families import INSTALL, Families, is_installed

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

#: Pairs of task and queue that a process counts apart. Names are signed, so that only
#: our own code chooses them; this bounds what a slip in it may cost.
TASKS_MAX = 500
#: The task and the queue of what exceeds that.
OTHER = "(other)"
#: How tasks end for good, and why what was deferred never leaves.
OUTCOMES = ("done", "failed", "cancelled")
REASONS = ("rollback", "write failed", "cancelled")

_Series = TypeVar("_Series")


class _Deferrals:
    """The series of one task and queue in the processes that defer.

    All are there from the first event on, at 0: Prometheus sees no increase in a series
    that begins with 1. To look them up by their labels takes as long as to count.
    """

    def __init__(self, families: Families, *labels: str) -> None:
        self.deferred = families.deferred.labels(*labels)
        self.sent = families.sent.labels(*labels)
        self.relayed = families.relayed.labels(*labels)
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
    """Receives the signals of all databases of this process. Thread-safe."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._deferrals: dict[tuple[str, str], _Deferrals] = {}
        self._runs: dict[tuple[str, str], _Runs] = {}
        #: The attempt that a thread runs: the task's id, and when it began.
        self._local = threading.local()
        self._receivers: list[tuple[NamedSignal, Callable[..., None]]] = [
            (signals.task_deferred, self._deferred),
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

    def _discarded(self, database: str, message: Message, reason: str) -> None:
        self._deferral(message).discarded[reason].inc()

    def _sent(self, database: str, message: Message) -> None:
        self._deferral(message).sent.inc()

    # -- who runs ------------------------------------------------------------------

    def _started(self, database: str, message: Message, attempt: int) -> None:
        task = self._runs_of(message.target.name, message.queue)
        task.started.inc()
        if attempt == 1:
            # Of a later attempt the message does not tell when it was due.
            task.wait.observe(max(0.0, time.time() - message.due_at_s))
        self._local.run = message.id, time.monotonic()

    def _retried(self, database: str, message: Message, **_: Any) -> None:
        self._ended(message).retried.inc()

    def _succeeded(self, database: str, message: Message, **_: Any) -> None:
        self._ended(message).done.inc()

    def _failed(self, database: str, message: Message | None, **_: Any) -> None:
        if message is not None:
            self._ended(message).failed.inc()

    def _cancelled(self, database: str, message: Message) -> None:
        self._ended(message).cancelled.inc()

    def _lease_lost(self, database: str, message: Message) -> None:
        self._ended(message).leases_lost.inc()

    def _ended(self, message: Message) -> _Runs:
        """The task's series; observes how long its attempt in this thread has run."""
        task = self._runs_of(message.target.name, message.queue)
        id, begun_s = getattr(self._local, "run", (None, 0.0))
        if id == message.id:
            self._local.run = None, 0.0
            task.run.observe(time.monotonic() - begun_s)
        return task

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
    with _lock:
        if _measuring and _measuring[0][0] is there:
            return
        recorder = Recorder(Families.of(there))
        for _, earlier in _measuring:
            earlier.disconnect()
        _measuring[:] = [(there, recorder)]
        recorder.connect()
