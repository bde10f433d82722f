"""How long a claim takes beside ever more due rows, in a process of its own.

    python -m benchmarks.backlog backlog.json 2000=few 100000=more

The rows are of five queues, and half of them of a thousand groups. Each number has a
database of its own, and all of them are asked in turn. The medians are written in
milliseconds.
"""

from __future__ import annotations

import json
import statistics
import time

from benchmarks.beside import asked_for
from nereid_async.database import connections
from nereid_async.rows import TaskRows

_QUEUES = ("default", "export", "import", "mail", "report")
_GROUPS = 1_000
_ROUNDS = 60
_WARM_UP = 5
_BATCH = 10


def main() -> None:
    """Measure, and write what came of it."""
    result, databases = asked_for(__doc__)
    rows = {}
    for number, database in databases.items():
        _fill(database, int(number))
        rows[number] = TaskRows(database)
    taken_ms: dict[str, list[float]] = {number: [] for number in rows}
    for _ in range(_ROUNDS + _WARM_UP):
        for number, its in rows.items():
            taken_ms[number].append(_claim_ms(its))
    medians_ms = {
        number: statistics.median(it[_WARM_UP:]) for number, it in taken_ms.items()
    }
    result.write_text(json.dumps(medians_ms))


def _fill(database: str, number: int) -> None:
    """Leave so many due rows; every second one waits for the turn of its group."""
    with connections.autocommit(database) as cursor:
        cursor.execute(
            "INSERT INTO async_task (uuid, name, queue, priority, web, state, "
            '"user", create_date, deferred_at, due_at, message, group_name, turn) '
            "SELECT gen_random_uuid(), 'some.model.method', (%s)[1 + n %% %s], 5, "
            "true, 'pending', 1, at, at, at, repeat('x', 300), "
            "CASE WHEN n %% 2 = 0 THEN 'group ' || n / 2 %% %s END, "
            "CASE WHEN n %% 2 = 0 THEN n / 2 / %s END "
            "FROM (SELECT n, now() AT TIME ZONE 'UTC' - INTERVAL '1 hour' "
            "+ n * INTERVAL '1 ms' AS at FROM generate_series(1, %s) n) due",
            [list(_QUEUES), len(_QUEUES), _GROUPS, _GROUPS, number],
        )
        cursor.execute("VACUUM ANALYZE async_task")


def _claim_ms(rows: TaskRows) -> float:
    started_s = time.perf_counter()
    claims = rows.claim_due(_QUEUES, _BATCH, 60, True)
    taken_ms = (time.perf_counter() - started_s) * 1_000
    assert len(claims) == _BATCH, claims
    return taken_ms


if __name__ == "__main__":
    main()
