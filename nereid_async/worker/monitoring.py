"""What ``--http`` adds to a worker: a process that answers, and counts for it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ..metrics import families, multiprocess
from ..metrics.exposition import Exposition, WorkerFacts
from ..metrics.queues import QueueReader
from ..runtime import Runtime
from .health_state import HealthState
from .heartbeats import Heartbeats
from .http_process import HttpProcess
from .http_server import Metrics
from .options import WorkerOptions


class Monitoring:
    """Lets a worker be watched over HTTP; in the parent of its processes.

    :param listener: socket that listens.
    :param queues: short names of the queues that are worked on.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: WorkerOptions,
        listener: socket.socket,
        health: HealthState,
        heartbeats: Heartbeats,
        queues: tuple[str, ...],
    ) -> None:
        self._runtime = runtime
        self._options = options
        self._health = health
        self._heartbeats = heartbeats
        self._queues = queues
        self._folder = multiprocess.make_folder() if families.is_installed() else None
        self._http = HttpProcess(
            listener, health, self._make_metrics, self._remove_folder
        )
        self._flush: Callable[[], None] | None = None
        self.url = self._http.url
        self.start_due = self._http.start_due
        self.ended = self._http.ended

    def in_child(self, slot: int) -> None:
        """Begin to count in a worker process, and let go of the socket."""
        self._http.leave()
        if self._folder is not None:
            self._flush = multiprocess.measure_in(self._folder, slot)

    def child_ends(self) -> None:
        """Count what is left, in a worker process that ends. Never raises."""
        if self._flush is not None:
            self._flush()

    def end(self) -> None:
        """End the process that answers, when all others have ended."""
        self._http.end()
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            multiprocess.remove_folder(self._folder)

    def _make_metrics(self) -> Metrics | None:
        if self._folder is None:
            return None
        rows, broker = self._runtime.rows, self._runtime.broker
        reader = None
        if rows is not None:
            sends = not self._runtime.rows_are_messages
            horizon_s = (broker.max_delay_s or 0) if sends else None
            reader = QueueReader(rows, horizon_s, self._queues)
        return Exposition(self._folder, self._worker_facts, reader).text

    def _worker_facts(self) -> WorkerFacts:
        return WorkerFacts(
            self._options.processes * self._options.threads,
            self._heartbeats.busy_threads,
            self._health.read().ready,
        )
