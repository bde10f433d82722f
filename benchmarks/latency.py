"""From the sending of a task to its start, while nothing else is to be done."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.field import Contender
from benchmarks.measures import Marks, percentile
from benchmarks.services import Services
from benchmarks.workers import send, workers

#: The first tasks open connections.
_WARM_UP = 10


@dataclass(frozen=True)
class Latency:
    """In milliseconds."""

    p50_ms: float
    p99_ms: float


def latency(services: Services, contender: Contender, number: int) -> Latency:
    """Send one task after the other, each when the one before has started."""
    with services.place(contender.minconn, **contender.options) as place:
        with workers(contender, place, 1, 1) as its:
            send(contender, place, "nothing", number + _WARM_UP, "--one", timeout_s=600)
            its.check()
        latencies_ms = Marks.read(place.marks).latencies_ms()[_WARM_UP:]
    return Latency(percentile(latencies_ms, 50), percentile(latencies_ms, 99))
