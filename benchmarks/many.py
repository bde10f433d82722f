"""What 5,000 defers cost beside as many records, in a process of its own.

    python -m benchmarks.many many.json

Records that are saved one by one, records of one ``create``, a loop of ``defer``, and
``defer_many`` take turns, each in a transaction of its own that commits. Medians go
into the file, in milliseconds: the time that passed, and the processor time of the
thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trytond.pool import Pool
from trytond.transaction import Transaction

from benchmarks.contenders import ours_tasks, work

NUMBER = 5_000
_ROUNDS = 5


def main() -> None:
    """Measure, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    options = parser.parse_args()
    work.load_pool()
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in WORKS}
    for _ in range(_ROUNDS):
        for name, what in WORKS.items():
            spent[name].append(_spent_ms(what))
    result = {
        name: {
            "ms": statistics.median(passed for passed, _ in times),
            "cpu_ms": statistics.median(cpu for _, cpu in times),
        }
        for name, times in spent.items()
    }
    options.result.write_text(json.dumps(result))


def _spent_ms(what: Callable[[], None]) -> tuple[float, float]:
    with Transaction().start(work.database(), 1) as transaction:
        began_s, cpu_s = time.perf_counter(), time.thread_time()
        what()
        transaction.commit()
        passed_s = time.perf_counter() - began_s
        return passed_s * 1_000, (time.thread_time() - cpu_s) * 1_000


def _entry() -> Any:
    return Pool().get("async_test.entry")


def _save() -> None:
    Entry = _entry()
    for number in range(NUMBER):
        Entry(label=str(number)).save()


def _create() -> None:
    _entry().create([{"label": str(number)} for number in range(NUMBER)])


def _defer() -> None:
    for number in range(NUMBER):
        ours_tasks.nothing.defer(float(number))


def _defer_many() -> None:
    ours_tasks.nothing.defer_many(float(number) for number in range(NUMBER))


WORKS: dict[str, Callable[[], None]] = {
    "records, saved one by one": _save,
    "records, in one create()": _create,
    "a loop of defer()": _defer,
    "defer_many()": _defer_many,
}


if __name__ == "__main__":
    main()
