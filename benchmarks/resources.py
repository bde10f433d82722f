"""What workers cost while nothing is to be done: memory, and calls of SQS."""

from __future__ import annotations

import sys
import time

from benchmarks.field import Contender
from benchmarks.measures import count
from benchmarks.services import Services
from benchmarks.throughput import until
from benchmarks.workers import send, workers

_TASKS = 100
_PATIENCE_S = 60

BARE_POOL = Contender(
    "bare pool and a boto3 client",
    "bare",
    lambda processes, threads: [
        sys.executable,
        "-m",
        "benchmarks.contenders.bare",
        "pool",
    ],
    "none",
    "the pool loaded, a client made, nothing done",
)


def pss_mb(services: Services, contender: Contender, processes: int) -> float:
    """Memory of the workers when they have done a few tasks each, in 10^6 bytes."""
    tasks = _TASKS * processes if contender.transport != "none" else 1
    with services.place(contender.minconn, **contender.options) as place:
        with workers(contender, place, processes) as its:
            if contender.transport != "none":
                send(contender, place, "tiny", tasks)
            until(lambda: count(place.marks) >= tasks, _PATIENCE_S)
            its.check()
            return its.pss_mb()


def idle_calls(
    services: Services, contender: Contender, processes: int, seconds: float
) -> dict[str, float]:
    """Calls of SQS a minute by operation, when the last task is done."""
    with services.place(contender.minconn, **contender.options) as place:
        with workers(contender, place, processes) as its:
            send(contender, place, "nothing", processes)
            until(lambda: count(place.marks) >= processes, _PATIENCE_S)
            its.check()
            # Acknowledgements, and polls for more, are not idle yet.
            _watch(services, 3)
            return _watch(services, seconds)


def _watch(services: Services, seconds: float) -> dict[str, float]:
    before = services.calls()
    time.sleep(seconds)
    made = services.calls() - before
    return {name: made[name] / seconds * 60 for name in sorted(made)}
