"""Tasks a second, calls of SQS a task, memory: a full queue, then a worker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from benchmarks.costs import Cost, reading
from benchmarks.field import Contender
from benchmarks.measures import Marks, count
from benchmarks.services import Services
from benchmarks.workers import send, workers

LONG_THREADS = 8
_ACKNOWLEDGED_S = 0.5


@dataclass(frozen=True)
class Load:
    """One workload.

    :ivar work: what its tasks do.
    :ivar threads: of each process; None for what the contender is known with.
    """

    name: str
    work: str
    processes: int
    threads: int | None = None


LOADS = {
    load.name: load
    for load in (
        Load("tiny", "tiny", 1),
        Load("tiny x2", "tiny", 2),
        Load("nothing", "nothing", 1),
        Load("long", "long", 1, LONG_THREADS),
    )
}


@dataclass(frozen=True)
class Throughput:
    """What came of it.

    :ivar rate: tasks a second.
    :ivar calls: calls of SQS while the tasks ran, by operation, a task.
    :ivar sending: the same while they were sent.
    :ivar cost: what a task cost, from the first tenth of them to the last; its rows are
        of all.
    :ivar pss_mb: memory of the workers under load.
    """

    rate: float
    pss_mb: float
    calls: dict[str, float] = field(default_factory=dict)
    sending: dict[str, float] = field(default_factory=dict)
    cost: Cost | None = None


def throughput(
    services: Services, contender: Contender, load: Load, number: int, limit_s: float
) -> Throughput:
    """Fill a queue, start the workers, and see how fast it empties.

    :param number: how many tasks; a slow contender is stopped before they are done.
    :param limit_s: for how long it is watched from the first task on.
    """
    minconn = 1 if load.threads is None or contender.ours else load.threads
    with services.place(max(minconn, contender.minconn), **contender.options) as place:
        before_sending = services.calls()
        fed = contender.transport != "none"
        if fed:
            send(contender, place, load.work, number)
        before = services.calls()
        already = reading(services.databases.server, place.database, (), rows=True)
        with workers(contender, place, load.processes, load.threads) as its:
            server, pids = services.databases.server, its.pids
            until(lambda: count(place.marks) > 0, 60)
            its.check()
            until(lambda: count(place.marks) >= number // 10, limit_s)
            began = count(place.marks)
            at_begin = reading(server, place.database, pids)
            until(lambda: count(place.marks) >= number, limit_s)
            at_end = reading(server, place.database, pids)
            run = count(place.marks) - began
            pss_mb = its.pss_mb()
            # What is acknowledged in batches is so by then.
            time.sleep(_ACKNOWLEDGED_S)
            ended = services.calls()
        done = count(place.marks)
        written = reading(server, place.database, (), rows=True)
        cost = at_end.since(at_begin, max(1, run))
        return Throughput(
            Marks.read(place.marks).rate(),
            pss_mb,
            _each(ended - before, done),
            _each(before - before_sending, number) if fed else {},
            replace(
                cost,
                rows=(written.rows - already.rows) / max(1, done),
                hot_updates=(written.hot_updates - already.hot_updates) / max(1, done),
            ),
        )


def _each(calls: Counter[str], tasks: int) -> dict[str, float]:
    return {name: calls[name] / tasks for name in sorted(calls)} if tasks else {}


def until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait for a condition, or for as long as it is waited for."""
    deadline_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.02)
