"""What metrics cost a tiny task: processor time of a worker with and without them.

    python -m benchmarks.metrics_cost                 some minutes
    python -m benchmarks.metrics_cost --broker sqs    on Amazon SQS's likeness

One process works off batches of tiny tasks, with metrics and without in turns, so that
both meet what else the machine does. In each round the order is another one. What is
told is the median of the rounds, and of their ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from trytond.config import config

if TYPE_CHECKING:
    from nereid_async.metrics.recording import Recorder


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--broker", choices=["database", "sqs"], default="database")
    options = parser.parse_args()
    # Before trytond's backend is imported by anything.
    config.set("database", "uri", "postgresql://")
    from benchmarks.services import services

    with tempfile.TemporaryDirectory() as folder, services(Path(folder)) as servers:
        with servers.place(broker=options.broker) as place:
            os.environ |= place.env
            config.update_etc([str(place.conf)])
            pairs = measured(Path(folder), options.rounds, options.tasks)
    without, with_them = (statistics.median(it) for it in zip(*pairs, strict=True))
    ratios = [b / a - 1 for a, b in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"processor time of a tiny task, broker {options.broker}, {len(pairs)} rounds "
        f"of 2 x {options.tasks}: {without:.0f} us without, {with_them:.0f} us with "
        f"metrics; median of the ratios {middle:+.1%} (quartiles {low:+.1%}, "
        f"{high:+.1%})"
    )


def measured(folder: Path, rounds: int, tasks: int) -> list[tuple[float, float]]:
    """Processor time of a task in each round, in microseconds: without, and with."""
    from prometheus_client import CollectorRegistry

    from benchmarks.contenders import ours, work
    from nereid_async.metrics.families import Families
    from nereid_async.metrics.multiprocess import count_in
    from nereid_async.metrics.recording import Recorder

    work.load_pool()
    # As in a process of a worker: into files that are mapped into memory.
    count_in(folder, 0)
    recorder = Recorder(Families.of(CollectorRegistry()), late=True)
    threading.Thread(target=recorder.flush_for_ever, daemon=True).start()
    pairs = []
    for number in range(rounds + 1):
        found = {}
        for metrics in (False, True) if number % 2 else (True, False):
            ours.send_many("tiny", tasks)
            with recorder.connected() if metrics else nullcontext():
                found[metrics] = _processor_s(lambda: _work_off(recorder)) / tasks * 1e6
        # The first one fills caches.
        pairs.append((found[False], found[True]))
    return pairs[1:]


def _work_off(recorder: Recorder) -> None:
    from benchmarks.contenders import work
    from nereid_async.runtime import of_database
    from nereid_async.worker.options import THREADS, WorkerOptions
    from nereid_async.worker.process import run_until_empty

    run_until_empty(
        of_database(work.database()), WorkerOptions(burst=True, threads=THREADS)
    )
    # As a process does at its end.
    recorder.flush()


def _processor_s(step: Callable[[], None]) -> float:
    begun_s = time.process_time()
    step()
    return time.process_time() - begun_s


if __name__ == "__main__":
    main()
