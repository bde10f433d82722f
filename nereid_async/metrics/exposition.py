"""What a worker serves at ``/metrics``: its processes' counts, itself, the queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from .families import PREFIX
from .queues import QueueFacts, QueueReader

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily


@dataclass(frozen=True)
class WorkerFacts:
    """The state of a worker.

    :ivar threads: number of threads that run tasks, of all processes.
    :ivar busy: number of the threads that run a task.
    :ivar ready: whether it takes tasks, as ``/health/ready`` says.
    """

    threads: int
    busy: int
    ready: bool


class Exposition:
    """Writes the metrics of a worker as text for Prometheus.

    :param folder: of the counts, see :mod:`.multiprocess`.
    :param worker: returns the state of the worker.
    :param reader: reads the queues; None without rows.
    """

    def __init__(
        self,
        folder: Path,
        worker: Callable[[], WorkerFacts],
        reader: QueueReader | None,
    ) -> None:
        from prometheus_client import CollectorRegistry, multiprocess

        self._registry = CollectorRegistry(auto_describe=False)
        counts: Any = multiprocess.MultiProcessCollector
        counts(self._registry, path=str(folder))
        self._registry.register(_Gauges(worker, reader))

    def text(self) -> tuple[str, bytes]:
        """The content type, and the text."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return CONTENT_TYPE_LATEST, generate_latest(self._registry)


class _Gauges:
    """The collector of what is not counted but looked at."""

    def __init__(
        self, worker: Callable[[], WorkerFacts], reader: QueueReader | None
    ) -> None:
        self._worker = worker
        self._reader = reader

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look at the worker and at the database."""
        yield from _of_worker(self._worker())
        if self._reader is None:
            return
        facts = self._reader.read()
        yield _gauge(
            "database_up",
            "Whether the database answered within two seconds.",
            float(facts is not None),
        )
        if facts is not None:
            yield from _of_queues(facts)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(PREFIX + name, text, value)


def _of_worker(facts: WorkerFacts) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily

    info = GaugeMetricFamily(
        PREFIX + "worker_info", "The version of the worker.", labels=["version"]
    )
    info.add_metric([__version__], 1)
    yield info
    yield _gauge("worker_threads", "Threads that run tasks.", facts.threads)
    yield _gauge("tasks_in_flight", "Tasks that run in this worker.", facts.busy)
    yield _gauge("worker_ready", "Whether /health/ready answers 200.", facts.ready)


def _of_queues(facts: QueueFacts) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily

    tasks = GaugeMetricFamily(
        PREFIX + "queue_tasks",
        "Tasks of the database that are not done, by queue and state.",
        labels=["queue", "state"],
    )
    oldest = GaugeMetricFamily(
        PREFIX + "queue_oldest_due_seconds",
        "For how long the oldest due task of a queue has waited; 0 if none is due.",
        labels=["queue"],
    )
    for it in facts.queues:
        for state in ("due", "scheduled", "running", "failed"):
            tasks.add_metric([it.queue, state], getattr(it, state))
        oldest.add_metric([it.queue], it.oldest_due_s or 0.0)
    yield tasks
    yield oldest
    yield _gauge(
        "batches_open", "Batches that have members left.", facts.batches.number
    )
    yield _gauge(
        "batches_oldest_seconds",
        "For how long the oldest open batch is open; 0 if none is.",
        facts.batches.oldest_s,
    )
    if facts.outbox_oldest_s is not None:
        yield _gauge(
            "outbox_oldest_seconds",
            "For how long the oldest committed task has waited to be sent to SQS.",
            facts.outbox_oldest_s,
        )
