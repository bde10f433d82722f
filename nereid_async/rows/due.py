"""SQL that chooses due rows of several queues, each by a subquery of its own.

One condition for several queues would read and sort all their due rows, however few
are claimed.
The same holds for the priorities of a queue: one scan of an index on (queue, priority,
due_at) would read the future rows of one priority before the due rows of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trytond import backend

from ..limits import PRIORITY_LAST


def chosen(queues: Sequence[str], limit: int, web: bool) -> tuple[list[str], list[Any]]:
    """Common table expressions, the last of which is ``due`` with the ids; parameters.

    The most urgent rows come first; within a priority, the oldest rows of each queue,
    so that no queue waits for another one.

    :param web: whether to choose tasks that need the web app, too.
    """
    rows = _of_each_priority(
        lambda priority: (
            f"SELECT id, priority, due_at FROM async_task WHERE {_of_queue(web)} "
            f"AND priority = {priority} AND due_at <= {{now}} "
            "ORDER BY due_at, id LIMIT {p} {skip_locked}"
        )
    )
    first = f"SELECT id, priority, due_at FROM ({rows}) ready LIMIT {{p}}"
    parameters = [it for queue in queues for it in (*_repeated([queue, limit]), limit)]
    if len(queues) == 1:
        return [f"due AS MATERIALIZED ({first})"], parameters
    names = [f"due_{number}" for number in range(len(queues))]
    placed = " UNION ALL ".join(
        "SELECT id, priority, due_at, row_number() "
        f"OVER (PARTITION BY priority ORDER BY due_at, id) AS place FROM {name}"
        for name in names
    )
    expressions = [f"{name} AS MATERIALIZED ({first})" for name in names]
    expressions.append(
        f"due AS MATERIALIZED (SELECT id FROM ({placed}) placed "
        "ORDER BY priority, place, due_at, id LIMIT {p})"
    )
    return expressions, [*parameters, limit]


def first_due(queues: Sequence[str], web: bool) -> tuple[str, list[Any]]:
    """A SELECT of the earliest due time; its parameters."""
    rows = _of_each_priority(
        lambda priority: (
            f"SELECT due_at FROM async_task WHERE {_of_queue(web)} "
            f"AND priority = {priority} ORDER BY due_at LIMIT 1"
        )
    )
    firsts = " UNION ALL ".join([f"SELECT due_at FROM ({rows}) first"] * len(queues))
    return (
        f"SELECT min(due_at) AS due_at FROM ({firsts}) firsts",
        [it for queue in queues for it in _repeated([queue])],
    )


def _of_queue(web: bool) -> str:
    # Each form matches the condition of a partial index.
    return "state = 'pending' AND queue = {p}" + ("" if web else " AND NOT web")


def _of_each_priority(select: Callable[[str], str]) -> str:
    """A SELECT of the rows of each priority, the most urgent priority first.

    A LIMIT on it stops the scan early. (On PostgreSQL a union of ten takes longer to
    plan than to run. SQLite has no lateral join, and caches prepared statements.)

    :param select: makes the SELECT of one priority, given an SQL expression for it.
    """
    if backend.name == "postgresql":
        return (
            f"SELECT rows_of_one.* FROM generate_series(0, {PRIORITY_LAST}) AS p(n) "
            f"CROSS JOIN LATERAL ({select('p.n')}) rows_of_one"
        )
    return " UNION ALL ".join(
        f"SELECT * FROM ({select(str(n))})" for n in range(PRIORITY_LAST + 1)
    )


def _repeated(parameters: list[Any]) -> list[Any]:
    """Parameters of :func:`_of_each_priority`, from those of one priority."""
    return parameters * (1 if backend.name == "postgresql" else PRIORITY_LAST + 1)
