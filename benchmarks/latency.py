"""From the sending of a task to its start, while nothing else is to be done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.field import Contender
from benchmarks.measures import Marks, percentile
from benchmarks.services import Services
from benchmarks.workers import send, workers

#: The first tasks open connections.
_WARM_UP = 10


@dataclass(frozen=True)
class Latency:
    """In milliseconds.

    :ivar from_send_p50_ms: without what comes before the sending: the deferral, and
        the commit of its transaction; None for those who send at once.
    """

    p50_ms: float
    p99_ms: float
    from_send_p50_ms: float | None = None


def latency(services: Services, contender: Contender, number: int) -> Latency:
    """Send one task after the other, each when the one before has started."""
    with services.place(contender.minconn, **contender.options) as place:
        with workers(contender, place, 1) as its:
            send(contender, place, "nothing", number + _WARM_UP, "--one", timeout_s=600)
            its.check()
        marks = Marks.read(place.marks)
        sends = Path(f"{place.marks}.sends")
        sent_s = json.loads(sends.read_text()) if sends.exists() else []
    latencies_ms = marks.latencies_ms()[_WARM_UP:]
    from_send_ms = [
        (start_s - at_s) * 1_000
        for (_, start_s), at_s in zip(marks.pairs, sent_s, strict=False)
    ][_WARM_UP:]
    return Latency(
        percentile(latencies_ms, 50),
        percentile(latencies_ms, 99),
        percentile(from_send_ms, 50) if from_send_ms else None,
    )
