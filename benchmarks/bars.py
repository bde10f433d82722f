"""What the project wants to reach, each with its figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.field import (
    BARE_BOTO3,
    OURS_DATABASE,
    OURS_SQS,
    OURS_SQS_1,
    OURS_SQS_5_QUEUES,
    PEERS,
    PROCRASTINATE,
    PROCRASTINATE_8,
    VARIANTS,
    Contender,
)
from benchmarks.figures import Figures
from benchmarks.resources import BARE_POOL

OURS, DATABASE = OURS_SQS.name, OURS_DATABASE.name
_FLAT = 1.2


@dataclass(frozen=True)
class Bar:
    """One of them.

    :ivar sign: ``>=`` or ``<=``.
    """

    what: str
    sign: str
    limit: float
    value: float | None

    @property
    def reached(self) -> bool:
        """Whether it is."""
        if self.value is None:
            return False
        if self.sign == ">=":
            return self.value >= self.limit
        return self.value <= self.limit


def bars(figures: Figures) -> list[Bar]:
    """All of those that can be told from a run."""
    return [
        *_throughput(figures),
        *_costs(figures),
        *_calls(figures),
        *_latency(figures),
        *_memory(figures),
        *_requests(figures),
        *_many(figures),
        *_polls(figures),
        *_growth(figures),
    ]


def _fastest(
    figures: Figures, load: str, peers: Sequence[Contender] = PEERS
) -> float | None:
    rates = [figures.rate(peer.name, load) for peer in peers]
    return max((rate for rate in rates if rate is not None), default=None)


def _ratio(value: float | None, other: float | None) -> float | None:
    return None if value is None or not other else value / other


def _throughput(figures: Figures) -> Iterator[Bar]:
    yield Bar("tiny, of the bare loop", ">=", 0.7, figures.of_bare(OURS))
    one = OURS_SQS_1.name
    yield Bar("tiny, 1 thread, of the bare loop", ">=", 0.7, figures.of_bare(one))
    for load, limit in (("tiny", 1.5), ("tiny x2", 1.6)):
        yield Bar(
            f"{load}, of the fastest peer",
            ">=",
            limit,
            _ratio(figures.rate(OURS, load), _fastest(figures, load)),
        )
    fastest = _fastest(figures, "tiny", (PROCRASTINATE, PROCRASTINATE_8))
    yield Bar(
        "database broker, tiny, of procrastinate",
        ">=",
        1.5,
        _ratio(figures.rate(DATABASE, "tiny"), fastest),
    )


def _costs(figures: Figures) -> Iterator[Bar]:
    for name, broker, limit in ((OURS, "SQS", 1.5), (DATABASE, "database", 1.25)):
        yield Bar(
            f"processor time of a worker, tiny, {broker}, of the bare loop",
            "<=",
            limit,
            figures.cost_of_bare(name, "worker_ms"),
        )
    for variant in VARIANTS:
        plain = OURS if variant.transport == "sqs" else DATABASE
        yield Bar(
            f"processor time of a worker, {variant.name}, of the plain task",
            "<=",
            1.15,
            figures.ratio_of_costs(variant.name, plain),
        )
    for name, broker in ((OURS, "SQS"), (DATABASE, "database")):
        yield Bar(
            f"processor time of PostgreSQL, tiny, {broker}, of the bare loop",
            "<=",
            2.0,
            figures.cost_of_bare(name, "postgresql_ms"),
        )


def _calls(figures: Figures) -> Iterator[Bar]:
    calls = figures.calls(OURS, "tiny")
    yield Bar("SQS calls a task, worker", "<=", 0.25, calls)
    sending = figures.results.sending.get(f"{OURS}, background")
    if calls is not None and sending is not None:
        yield Bar(
            "SQS calls a task, in all, background sender", "<=", 0.4, calls + sending
        )
    idle = figures.results.idle.get(OURS)
    if idle is not None:
        # Of two processes one polls, so it is one process's bar for both.
        yield Bar("SQS calls a minute, two idle processes", "<=", 3, sum(idle.values()))


def _latency(figures: Figures) -> Iterator[Bar]:
    yield Bar(
        "start p50 from the commit on, of bare boto3",
        "<=",
        1.3,
        _ratio(figures.from_send_p50_ms(OURS), figures.p50_ms(BARE_BOTO3.name)),
    )
    peers = [figures.p99_ms(it.name) for it in PEERS if it.transport == "sqs"]
    best_ms = min((it for it in peers if it is not None), default=None)
    for name in (OURS, OURS_SQS_5_QUEUES.name):
        p99_ms = figures.p99_ms(name)
        yield Bar(
            f"start p99, {name}, of the best peer on SQS",
            "<=",
            1,
            _ratio(p99_ms, best_ms),
        )
        yield Bar(
            f"start p99, {name}, of its p50",
            "<=",
            2.5,
            _ratio(p99_ms, figures.p50_ms(name)),
        )
    yield Bar(
        "database broker, start p50, of procrastinate",
        "<=",
        1,
        _ratio(figures.p50_ms(DATABASE), figures.p50_ms(PROCRASTINATE.name)),
    )


def _memory(figures: Figures) -> Iterator[Bar]:
    ours = figures.results.memory[OURS]
    bare = figures.results.memory[BARE_POOL.name][1]
    yield Bar("MB of one process beyond bare pool and client", "<=", 20, ours[1] - bare)
    last = max(ours)
    if last > 1:
        yield Bar(
            "MB of each further process", "<=", 14, (ours[last] - ours[1]) / (last - 1)
        )


def _requests(figures: Figures) -> Iterator[Bar]:
    one_ms = {name: it.one_ms for name, it in figures.requests.items()}
    peer = figures.requests["dramatiq send()"]
    yield Bar(
        "one deferral, of dramatiq's send() and an INSERT of its size",
        "<=",
        1,
        one_ms[OURS] / (peer.one_ms + (peer.insert_ms or 0.0)),
    )
    ours = figures.requests[OURS]
    yield Bar(
        "a hundred deferrals in one transaction, of one",
        "<=",
        8,
        ours.hundred_ms / ours.one_ms,
    )
    view = figures.results.views.get(OURS)
    if view is not None and view.without_ms is not None:
        yield Bar(
            "a Nereid view that defers nothing, of one without the extension",
            "<=",
            # Less than what two runs of the same differ by.
            1.03,
            view.none_ms / view.without_ms,
        )
    yield Bar(
        "one deferral, background, of procrastinate's",
        "<=",
        0.5,
        one_ms[f"{OURS}, background"] / one_ms["procrastinate defer()"],
    )


def _polls(figures: Figures) -> Iterator[Bar]:
    view_rate = figures.results.polls["an empty Nereid view"][0]
    for name, (rate, begun, asked) in figures.results.polls.items():
        if name.startswith("poll, "):
            yield Bar(f"{name}: per empty Nereid view", ">=", 5, rate / view_rate)
            yield Bar(f"{name}: transactions", "<=", 0, begun)
            reads = 0 if "bare" in name else 1
            # The log of the server is not cut off to the request.
            yield Bar(f"{name}: statements", "<=", reads + 0.05, asked)


def _many(figures: Figures) -> Iterator[Bar]:
    many = figures.results.many
    saved_ms = many["records, saved one by one"]["cpu_ms"]
    for name in ("a loop of defer()", "defer_many()"):
        part = many[name]["cpu_ms"] / saved_ms
        yield Bar(f"{name}, 5,000: of records saved, CPU", "<=", 0.2, part)
    beyond_s = many["defer_many()"]["ms"] / 1_000
    yield Bar("defer_many(), 5,000 in a transaction, s", "<=", 1.5, beyond_s)


def _growth(figures: Figures) -> Iterator[Bar]:
    medians = figures.results.growth["medians_ms"]
    few, most = medians["1000"], medians[max(medians, key=int)]
    for name in few:
        yield Bar(
            f"{name}: most rows, of 1,000", "<=", _FLAT, _ratio(most[name], few[name])
        )
    backlog = figures.results.backlog
    few_ms, most_ms = (backlog[it] for it in sorted(backlog, key=int))
    yield Bar(
        "claim of five queues: most due rows, of 2,000",
        "<=",
        _FLAT,
        _ratio(most_ms, few_ms),
    )
