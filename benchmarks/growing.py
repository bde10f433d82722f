"""How long the row protocol takes beside ever more rows, in a process of its own.

    python -m benchmarks.growing growing.json 1 10 100 1000

Medians in milliseconds go into the file, and the plans beside the most rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ours, work

if TYPE_CHECKING:
    from nereid_async.rows import TaskRows

_ROUNDS = 40
_BATCH = 10
_WEEK_S = 7 * 86_400


def main() -> None:
    """Measure, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("numbers", type=int, nargs="+")
    options = parser.parse_args()
    work.load_pool()
    medians_ms = {}
    for number in options.numbers:
        _fill(number)
        medians_ms[number] = _medians_ms()
    plans = _plans()
    options.result.write_text(json.dumps({"medians_ms": medians_ms, "plans": plans}))


def _fill(number: int) -> None:
    """Leave so many rows of tasks that are done, as a month of work does."""
    from nereid_async import side
    from tests.plans import add_done

    with side.autocommit(work.database()) as cursor:
        cursor.execute("TRUNCATE async_task, async_run")
        add_done(cursor, number, "default")
        cursor.execute("VACUUM ANALYZE async_task")
        cursor.execute("VACUUM ANALYZE async_run")


def _questions(rows: TaskRows) -> dict[str, Callable[[], Any]]:
    return {
        "claim by id": lambda: rows.claim_ids(_ids("pending", _BATCH), 60),
        "claim what is due": lambda: rows.claim_due(["default"], _BATCH, 60, True),
        "look for dead workers": lambda: rows.claim_expired(
            ["default"], _BATCH, 60, True
        ),
        "end leases": lambda: rows.end_leases(),
        "relay: unsent": lambda: rows.unsent(100, 10, 900),
        "relay: forgotten": lambda: rows.forgotten(100, _WEEK_S),
        "poll": lambda: rows.status(_ids("done", 1)[0]),
    }


def _ids(state: str, limit: int) -> Sequence[str]:
    return _chosen[state][:limit]


#: Chosen before the watch runs.
_chosen: dict[str, list[str]] = {"pending": [], "done": []}


def _choose() -> None:
    from nereid_async import side

    ours.send_many("nothing", _BATCH)
    with side.autocommit(work.database()) as cursor:
        for state in _chosen:
            cursor.execute(
                "SELECT uuid FROM async_task WHERE state = %s LIMIT %s", [state, _BATCH]
            )
            _chosen[state] = [uuid for (uuid,) in cursor.fetchall()]


def _medians_ms() -> dict[str, float]:
    from nereid_async.rows import TaskRows

    questions = _questions(TaskRows(work.database()))
    taken_ms: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(_ROUNDS):
        for name, ask in questions.items():
            if "claim" in name:
                _choose()
            started_s = time.perf_counter()
            ask()
            taken_ms[name].append((time.perf_counter() - started_s) * 1_000)
            _clear()
    return {name: statistics.median(taken) for name, taken in taken_ms.items()}


def _clear() -> None:
    from nereid_async import side

    with side.autocommit(work.database()) as cursor:
        # By their ids: to look for them would read all the others.
        for table in ("async_task", "async_run"):
            cursor.execute(
                f"DELETE FROM {table} WHERE uuid = ANY(%s)", [_chosen["pending"]]
            )


def _plans() -> dict[str, str]:
    """What PostgreSQL says it does, of the first statement that each asks."""
    from tests.plans import ExplainedRows

    rows = ExplainedRows(work.database())
    plans = {}
    for name, ask in _questions(rows).items():
        _choose()
        rows.plans.clear()
        ask()
        plans[name] = rows.plans[0]
        _clear()
    return plans


if __name__ == "__main__":
    main()
