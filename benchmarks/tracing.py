"""What tracing costs a tiny task: on and off in turns, in one process.

    python -m benchmarks.tracing [--rounds 30] [--tasks 300] [--only off]

A round defers tasks in one transaction and runs them with one thread, on PostgreSQL.
What is told is processor time of this process a task, from its deferral to its end:
what the database does is left out, and so is the waiting. With tracing, the SDK makes
the spans and batches them, and an exporter drops them.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from trytond.config import config

WARM_UP_ROUNDS = 3


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--only", choices=["off", "on"])
    options = parser.parse_args()
    # Before trytond's backend is imported by anything.
    config.set("database", "uri", "postgresql://")
    from benchmarks.services import services

    with tempfile.TemporaryDirectory() as folder, services(Path(folder)) as servers:
        with servers.place(broker="database", outbox="yes") as place:
            os.environ.update(place.env)
            config.update_etc(str(place.conf))
            ways = [options.only] if options.only else ["off", "on"]
            taken_us = measure(place.database, ways, options.rounds, options.tasks)
    for way, rounds_us in taken_us.items():
        quarter, median, three = statistics.quantiles(rounds_us, n=4)
        print(f"{way}: {median:.0f} us a task ({quarter:.0f} to {three:.0f})")
    if len(ways) > 1:
        pairs = zip(taken_us["off"], taken_us["on"], strict=True)
        more = statistics.median(on / off - 1 for off, on in pairs)
        print(f"on, compared with off in its round: {more:+.1%}")


def measure(
    database: str, ways: list[str], rounds: int, tasks: int
) -> dict[str, list[float]]:
    """Take turns; the first ones do not count.

    :return: by way, microseconds of each round.
    """
    from benchmarks.contenders import work

    work.load_pool()
    runtimes = {way: _runtime(database, on=way == "on") for way in ways}
    taken_us: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(-WARM_UP_ROUNDS, rounds):
        # Whoever comes second finds warmer caches.
        for way in ways if number % 2 else reversed(ways):
            spent_us = _round_us(runtimes[way], tasks)
            if number >= 0:
                taken_us[way].append(spent_us)
    return taken_us


def _runtime(database: str, *, on: bool) -> Any:
    from nereid_async import runtime, settings

    loaded = settings.load()
    if on:
        _set_up_sdk()
        loaded = replace(loaded, tracing=True)
    return runtime.build(database, loaded)


def _set_up_sdk() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class Drop(SpanExporter):
        """An exporter to nowhere."""

        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    trace.set_tracer_provider(provider)


def _round_us(runtime: Any, tasks: int) -> float:
    from trytond.transaction import Transaction

    from benchmarks.contenders import ours_tasks
    from nereid_async import runtime as runtimes
    from nereid_async.worker.intervals import USUAL
    from nereid_async.worker.options import WorkerOptions
    from nereid_async.worker.process import run_until_empty

    # What is to be done is there already: no need to wait for more.
    quick = replace(USUAL, burst_wait_s=0)
    options = WorkerOptions(burst=True, threads=1, intervals=quick)
    gc.collect()
    began_s = time.process_time()
    runtimes.activate(runtime)
    with Transaction().start(runtime.database, 1) as transaction:
        for _ in range(tasks):
            ours_tasks.tiny.defer(time.monotonic())
        transaction.commit()
    runtimes.deactivate(runtime)
    run_until_empty(runtime, options)
    return (time.process_time() - began_s) / tasks * 1e6


if __name__ == "__main__":
    main()
