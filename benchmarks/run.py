"""Goes through a plan."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.field import OURS_DATABASE, OURS_SQS
from benchmarks.latency import Latency, latency
from benchmarks.plan import Plan
from benchmarks.requests import CALLERS, Price, calls_a_task, price
from benchmarks.resources import BARE_POOL, idle_calls, pss_mb
from benchmarks.services import Place, Services
from benchmarks.throughput import LOADS, Load, Throughput, throughput
from devtools.processes import ProcessFailed, run

T = TypeVar("T")
PROJECT = Path(__file__).parent.parent
_ASKING_THREADS = 8
_ASKING_TASKS = 800


@dataclass
class Results:
    """What came of a run; lists have one entry a round."""

    plan: Plan
    rounds: int = 0
    throughput: dict[tuple[str, str], list[Throughput]] = field(
        default_factory=lambda: defaultdict(list)
    )
    latency: dict[str, list[Latency]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[str, list[Price]] = field(default_factory=lambda: defaultdict(list))
    views: dict[str, Price] = field(default_factory=dict)
    sending: dict[str, float] = field(default_factory=dict)
    idle: dict[str, dict[str, float]] = field(default_factory=dict)
    memory: dict[str, dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    polls: dict[str, list[float]] = field(default_factory=dict)
    growth: dict[str, Any] = field(default_factory=dict)
    backlog: dict[str, float] = field(default_factory=dict)
    many: dict[str, Any] = field(default_factory=dict)
    processes: dict[str, dict[int, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )


def measure(services: Services, plan: Plan, keep: Callable[[Results], None]) -> Results:
    """Measure all that the plan says; tells on the way what it does.

    :param keep: called after each round, so that a run that breaks off is not lost.
    """
    results = Results(plan)
    _costs_of_asking(services, plan, results)
    _resources(services, plan, results)
    _the_rest(services, plan, results)
    for _ in range(plan.rounds):
        _loads(services, plan, results)
        _latencies(services, plan, results)
        _prices(services, plan, results)
        results.rounds += 1
        keep(results)
    return results


def _latencies(services: Services, plan: Plan, results: Results) -> None:
    for contender in plan.contenders:
        if "latency" not in contender.works:
            continue
        try:
            measured = _told(
                f"latency: {contender.name}",
                lambda c=contender: latency(services, c, plan.latencies),
            )
        except ProcessFailed as error:
            # trytond's worker misses a notification now and then, and sleeps.
            print(f"not told: {error}")
        else:
            results.latency[contender.name].append(measured)


def _prices(services: Services, plan: Plan, results: Results) -> None:
    for caller in CALLERS:
        results.requests[caller.name].append(
            _told(
                f"a request: {caller.name}",
                lambda a=caller: price(services, a, plan.requests),
            )
        )


def _loads(services: Services, plan: Plan, results: Results) -> None:
    for load in LOADS.values():
        for contender in plan.contenders:
            if load.name in contender.works and load.name in plan.tasks:
                results.throughput[contender.name, load.name].append(
                    _told(
                        f"{load.name}: {contender.name}",
                        lambda c=contender, it=load: throughput(
                            services, c, it, plan.tasks[it.name], plan.limit_s
                        ),
                    )
                )


def _costs_of_asking(services: Services, plan: Plan, results: Results) -> None:
    for caller in CALLERS:
        if plan.views and caller.name.startswith(("nereid_async", "Celery")):
            results.views[caller.name] = _told(
                f"a Nereid view: {caller.name}",
                lambda a=caller: price(services, a, plan.views, nereid=True),
            )
        if caller.contender is OURS_SQS:
            results.sending[caller.name] = _told(
                f"calls of senders: {caller.name}",
                lambda a=caller: calls_a_task(
                    services, a, _ASKING_TASKS, _ASKING_THREADS
                ),
            )


def _resources(services: Services, plan: Plan, results: Results) -> None:
    for contender in (BARE_POOL, OURS_SQS, OURS_DATABASE, *plan.others):
        for number in plan.memory:
            if contender is not BARE_POOL or number == 1:
                results.memory[contender.name][number] = _told(
                    f"memory of {number}: {contender.name}",
                    lambda c=contender, n=number: pss_mb(services, c, n),
                )
    for contender in (OURS_SQS, *plan.others):
        results.idle[contender.name] = _told(
            f"idle, 2 processes: {contender.name}",
            lambda c=contender: idle_calls(services, c, 2, plan.idle_s),
        )


def _the_rest(services: Services, plan: Plan, results: Results) -> None:
    results.polls = _told(
        "polls",
        lambda: _polls(services, plan.polls_s),
    )
    results.many = _told("many at once", lambda: _many(services))
    results.growth = _told("growth", lambda: _beside(services, "growing", plan.rows))
    results.backlog = _told(
        "backlog", lambda: _beside(services, "backlog", plan.backlogs)
    )
    for contender in (OURS_SQS, OURS_DATABASE):
        for number in plan.processes:
            load = Load(f"tiny x{number}", "tiny", number)
            results.processes[contender.name][number] = _told(
                f"{load.name}: {contender.name}",
                lambda c=contender, it=load: throughput(
                    services, c, it, plan.tasks["tiny x2"], plan.limit_s
                ),
            ).rate


def _polls(services: Services, seconds: float) -> dict[str, Any]:
    with services.place(8, broker="database") as place:
        return _apart(place, "polling", str(seconds), str(services.databases.log))


def _many(services: Services) -> dict[str, Any]:
    with services.place(8, broker="database") as place:
        return _apart(place, "many")


def _beside(services: Services, module: str, numbers: Sequence[int]) -> dict[str, Any]:
    """What a module measures beside so many rows, in a database for each number."""
    with ExitStack() as stack:
        places = [
            stack.enter_context(services.place(8, broker="database")) for _ in numbers
        ]
        databases = (
            f"{number}={place.database}"
            for number, place in zip(numbers, places, strict=True)
        )
        return _apart(places[0], module, *databases)


def _apart(place: Place, module: str, *arguments: str) -> dict[str, Any]:
    """Let a module measure in a process of its own; what it wrote."""
    result = place.folder / f"{module}.json"
    run(
        [sys.executable, "-m", f"benchmarks.{module}", str(result), *arguments],
        place.folder / f"{module}.log",
        timeout_s=600,
        env={**os.environ, **place.env},
        cwd=PROJECT,
    )
    measured: dict[str, Any] = json.loads(result.read_text())
    return measured


def _told(what: str, measure: Callable[[], T]) -> T:
    started_s = time.monotonic()
    print(f"{what} ...", end=" ", flush=True)
    value = measure()
    print(f"{time.monotonic() - started_s:.0f} s", flush=True)
    return value
