"""Medians of a run."""

from __future__ import annotations

from benchmarks.measures import median
from benchmarks.requests import Price
from benchmarks.run import Results

BARE = "bare loop of Tryton transactions"


class Figures:
    """What is told of a run.

    :param results: what was measured, round by round.
    """

    def __init__(self, results: Results) -> None:
        self.results = results

    @property
    def contenders(self) -> list[str]:
        """Their names."""
        return [contender.name for contender in self.results.plan.contenders]

    def rate(self, name: str, load: str) -> float | None:
        """Tasks a second."""
        measured = self.results.throughput.get((name, load))
        return median([it.rate for it in measured]) if measured else None

    def of_bare(self, name: str) -> float | None:
        """Tiny tasks, as a part of what the bare loop does in the same round."""
        bare = self.results.throughput.get((BARE, "tiny"), [])
        measured = self.results.throughput.get((name, "tiny"), [])
        parts = [it.rate / b.rate for it, b in zip(measured, bare, strict=False)]
        return median(parts) if parts else None

    def calls_by_operation(self, name: str, load: str) -> dict[str, float]:
        """Calls of SQS a task on the worker's side."""
        measured = self.results.throughput.get((name, load), [])
        names = sorted({operation for it in measured for operation in it.calls})
        return {n: median([it.calls.get(n, 0.0) for it in measured]) for n in names}

    def calls(self, name: str, load: str) -> float | None:
        """The same, of all operations."""
        calls = self.calls_by_operation(name, load)
        return sum(calls.values()) if calls else None

    def costs(self, name: str) -> dict[str, float]:
        """What a tiny task costs, by the names of :class:`.costs.Cost`."""
        measured = [
            vars(it.cost)
            for it in self.results.throughput.get((name, "tiny"), [])
            if it.cost is not None
        ]
        return (
            {n: median([it[n] for it in measured]) for n in measured[0]}
            if measured
            else {}
        )

    def cost_of_bare(self, name: str, what: str) -> float | None:
        """A cost as a multiple of that of the bare loop in the same round."""
        return self.ratio_of_costs(name, BARE, what)

    def ratio_of_costs(
        self, name: str, other: str, what: str = "worker_ms"
    ) -> float | None:
        """A cost as a multiple of another contender's in the same round."""
        bare = self.results.throughput.get((other, "tiny"), [])
        measured = self.results.throughput.get((name, "tiny"), [])
        parts = [
            getattr(it.cost, what) / getattr(its.cost, what)
            for it, its in zip(measured, bare, strict=False)
            if it.cost is not None and its.cost is not None
        ]
        return median(parts) if parts else None

    def pss_mb(self, name: str) -> float | None:
        """Memory under load."""
        measured = self.results.throughput.get((name, "tiny"))
        return median([it.pss_mb for it in measured]) if measured else None

    def p50_ms(self, name: str) -> float | None:
        """From sending to the start of a task."""
        measured = self.results.latency.get(name)
        return median([it.p50_ms for it in measured]) if measured else None

    def p99_ms(self, name: str) -> float | None:
        """The same, for all but one in a hundred."""
        measured = self.results.latency.get(name)
        return median([it.p99_ms for it in measured]) if measured else None

    def from_send_p50_ms(self, name: str) -> float | None:
        """From the commit to the start of a task."""
        measured = self.results.latency.get(name, [])
        values = [m for it in measured if (m := it.from_send_p50_ms) is not None]
        return median(values) if values else None

    @property
    def requests(self) -> dict[str, Price]:
        """What enqueuing adds to a transaction: all others less ``none_ms``."""
        return {
            name: Price(
                median([it.none_ms for it in measured]),
                median([it.one_ms - it.none_ms for it in measured]),
                median([it.ten_ms - it.none_ms for it in measured]),
                median([it.hundred_ms - it.none_ms for it in measured]),
                median([it.insert_ms - it.none_ms for it in measured if it.insert_ms]),
            )
            for name, measured in self.results.requests.items()
        }
