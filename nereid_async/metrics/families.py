"""The metrics that processes count, by the conventions of Prometheus.

``docs/monitoring.rst`` has their names; a test holds the page to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

#: What each name of ours begins with.
PREFIX = "nereid_async_"
#: What to do where prometheus-client is missing.
INSTALL = 'metrics need prometheus-client: pip install "nereid_async[metrics]"'

_TASK = ("task", "queue")
#: Upper bounds of the buckets, in seconds. A task may wait for hours in an outage.
_WAIT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200)
_RUN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)


@dataclass(frozen=True)
class Families:
    """The counters and histograms of a process, in one registry."""

    deferred: Counter
    merged: Counter
    discarded: Counter
    sent: Counter
    relayed: Counter
    started: Counter
    retried: Counter
    finished: Counter
    duplicates: Counter
    leases_lost: Counter
    sqs_calls: Counter
    wait: Histogram
    run: Histogram

    @classmethod
    def of(cls, registry: CollectorRegistry) -> Families:
        """Make them and register them.

        :raises ConfigurationError: prometheus-client is not installed, or the registry
            has metrics of these names already.
        """
        if not is_installed():
            raise ConfigurationError(INSTALL)
        try:
            return cls(**_counters(registry), **_histograms(registry))
        except ValueError as error:
            raise ConfigurationError(f"metrics: {error}") from error


def is_installed() -> bool:
    """Whether prometheus-client can be imported."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        return False
    return True


def _counters(registry: CollectorRegistry) -> dict[str, Any]:
    from prometheus_client import Counter

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels or _TASK, registry=registry)

    return {
        "deferred": counter(
            "tasks_deferred", "Tasks deferred; their transactions may still roll back."
        ),
        "merged": counter(
            "tasks_merged",
            "Calls that made no task, since one of their key waited, by outcome.",
            *_TASK,
            "outcome",
        ),
        "discarded": counter(
            "tasks_discarded",
            "Deferred tasks that were never committed or sent, by reason.",
            *_TASK,
            "reason",
        ),
        "sent": counter(
            "tasks_sent", "Committed tasks that the broker has taken at once."
        ),
        "relayed": counter(
            "tasks_relayed", "Committed tasks that the relay has sent later, or again."
        ),
        "started": counter("tasks_started", "Attempts that workers have begun."),
        "retried": counter("tasks_retried", "Attempts after which a task runs again."),
        "finished": counter(
            "tasks_finished",
            "Tasks that have ended for good: done, failed or cancelled.",
            *_TASK,
            "outcome",
        ),
        "duplicates": counter(
            "duplicates_dropped", "Messages whose task had ended before."
        ),
        "leases_lost": counter(
            "leases_lost", "Runs rolled back since another worker had the task."
        ),
        "sqs_calls": counter(
            "sqs_calls",
            "Calls of Amazon SQS, by operation and outcome.",
            "operation",
            "outcome",
        ),
    }


def _histograms(registry: CollectorRegistry) -> dict[str, Any]:
    from prometheus_client import Histogram

    def histogram(name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(PREFIX + name, text, _TASK, buckets=bounds, registry=registry)

    return {
        "wait": histogram(
            "task_wait_seconds",
            "From when a task was due to when its first attempt began.",
            _WAIT_S,
        ),
        "run": histogram(
            "task_run_seconds",
            "From when an attempt began to when it was settled.",
            _RUN_S,
        ),
    }
