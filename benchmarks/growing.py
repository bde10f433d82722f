"""How long the row protocol takes beside ever more rows, in a process of its own.

    python -m benchmarks.growing growing.json 1=few 1000=more

Each number of rows has a database of its own, and all of them are asked in turn, so
that a slow moment of the machine is everybody's. Medians in milliseconds go into the
file, and the plans beside the most rows.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.beside import asked_for
from devtools.messages import message
from devtools.plans import ExplainedRows, add_done
from nereid_async.database import connections
from nereid_async.messages.message import Message, Target
from nereid_async.rows import Row, TaskRows

_ROUNDS = 40
_BATCH = 10
_WEEK_S = 7 * 86_400


def main() -> None:
    """Measure, and write what came of it."""
    result, databases = asked_for(__doc__)
    grown = {}
    for number, database in databases.items():
        _fill(database, int(number))
        grown[number] = Asked(TaskRows(database))
    for _ in range(_ROUNDS):
        for asked in grown.values():
            asked.ask()
    medians_ms = {number: asked.medians_ms() for number, asked in grown.items()}
    most = grown[max(grown, key=int)].rows.database
    measured = {"medians_ms": medians_ms, "plans": _plans(most)}
    result.write_text(json.dumps(measured))


def _fill(database: str, number: int) -> None:
    """Leave so many rows of tasks that are done, as a month of work does."""
    with connections.autocommit(database) as cursor:
        add_done(cursor, number, "default")
        cursor.execute("VACUUM ANALYZE async_task")
        cursor.execute("VACUUM ANALYZE async_run")


class Asked:
    """The rows of one database, and what was asked of them."""

    def __init__(self, rows: TaskRows) -> None:
        self.rows = rows
        #: Chosen before the watch runs.
        self._pending: list[str] = []
        self._done = ""
        self._taken_ms: dict[str, list[float]] = {}

    @property
    def questions(self) -> dict[str, Callable[[], Any]]:
        """By what figures call them."""
        rows = self.rows
        return {
            "claim by id": lambda: rows.claim_ids(self._pending, 60),
            "claim what is due": lambda: rows.claim_due(["default"], _BATCH, 60, True),
            "look for dead workers": lambda: rows.free_expired(),
            "end leases": lambda: rows.end_leases(),
            "relay: unsent": lambda: rows.unsent(100, 10, 900),
            "relay: forgotten": lambda: rows.forgotten_queues(_WEEK_S, _WEEK_S),
            "poll": lambda: rows.status(self._done),
        }

    def ask(self) -> None:
        """Ask each question once."""
        for name, question in self.questions.items():
            self.prepare()
            started_s = time.perf_counter()
            question()
            taken_ms = (time.perf_counter() - started_s) * 1_000
            self._taken_ms.setdefault(name, []).append(taken_ms)
            self.clear()

    def prepare(self) -> None:
        """Add tasks that wait."""
        messages = [_message() for _ in range(_BATCH)]
        self._pending = [message.id for message in messages]
        self.rows.insert_apart([Row(it, "a message") for it in messages], notify=False)
        with connections.autocommit(self.rows.database) as cursor:
            cursor.execute("SELECT uuid FROM async_task WHERE state = 'done' LIMIT 1")
            (self._done,) = cursor.fetchone()

    def clear(self) -> None:
        """Remove what was added."""
        with connections.autocommit(self.rows.database) as cursor:
            # By their ids: to look for them would read all the others.
            for table in ("async_task", "async_run"):
                cursor.execute(
                    f"DELETE FROM {table} WHERE uuid = ANY(%s)", [self._pending]
                )

    def medians_ms(self) -> dict[str, float]:
        """How long the answers took."""
        return {name: statistics.median(it) for name, it in self._taken_ms.items()}


def _message() -> Message:
    target = Target("function", "benchmarks.contenders.ours_tasks", "nothing")
    return message("default", target=target)


def _plans(database: str) -> dict[str, str]:
    """What PostgreSQL says it does, of the first statement that each asks."""
    rows = ExplainedRows(database)
    asked = Asked(rows)
    plans = {}
    for name, question in asked.questions.items():
        asked.prepare()
        rows.plans.clear()
        question()
        plans[name] = rows.plans[0]
        asked.clear()
    return plans


if __name__ == "__main__":
    main()
