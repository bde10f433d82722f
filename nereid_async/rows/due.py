"""SQL that chooses due rows of several queues, each by searches of its own.

One condition for several queues would read and sort all their due rows, however few
are claimed.
The same holds for the priorities of a queue: one scan of an index on (queue, priority,
turn, due_at) would read the future rows of one priority before the due rows of the
next.

A queue has two sources, which take turns: rows without a turn go by their due time,
those with one by their turn (see :meth:`.GroupRows.turns`), and are all due. An
ordered queue has one: the first unfinished row of each group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from trytond import backend

from ..limits import PRIORITY_LAST
from ..queue_selection import is_ordered

#: What the statements need to know of a chosen row.
_COLUMNS = "id, queue, priority, turn, due_at"


def chosen(queues: Sequence[str], limit: int, web: bool) -> tuple[list[str], list[Any]]:
    """Common table expressions, the last of which is ``due`` with the ids; parameters.

    The most urgent rows come first; within a priority, the first rows of each source,
    so that none waits for another one.

    :param web: whether to choose tasks that need the web app, too.
    """
    sources = list(_sources(queues, limit, web))
    expressions = [
        f"due_{number} AS MATERIALIZED ({select})"
        for number, (select, _) in enumerate(sources)
    ]
    found = _union([f"SELECT * FROM due_{number}" for number in range(len(sources))])
    placed = (
        "SELECT id, priority, row_number() OVER (PARTITION BY queue, turn IS NULL, "
        f"priority ORDER BY turn, due_at, id) AS place FROM ({found}) found"
    )
    expressions.append(
        f"due AS MATERIALIZED (SELECT id FROM ({placed}) placed "
        # Not the oldest first: where one row is taken at a time, each source has its
        # share.
        "ORDER BY priority, place, random() LIMIT {p})"
    )
    return expressions, [*(it for _, own in sources for it in own), limit]


def _sources(
    queues: Sequence[str], limit: int, web: bool
) -> Iterator[tuple[str, list[Any]]]:
    """SELECTs of due rows, with their parameters."""
    others = [queue for queue in queues if not is_ordered(queue)]
    for queue in queues:
        if is_ordered(queue):
            yield _chosen_heads(queue, limit, web)
    # PostgreSQL takes longer to plan a SELECT for each queue than to run it.
    at_once = len(others) if backend.name == "postgresql" else 1
    for start in range(0, len(others), at_once or 1):
        for condition in ("turn IS NULL AND due_at <= {now}", "turn IS NOT NULL"):
            yield _first_rows(others[start : start + at_once], limit, web, condition)


def _first_rows(
    queues: Sequence[str], limit: int, web: bool, condition: str
) -> tuple[str, list[Any]]:
    """A SELECT of the first rows of each queue.

    :param queues: one on SQLite, which has no lateral join.
    """
    lateral = len(queues) > 1
    rows = _of_each_priority(
        lambda priority: (
            f"SELECT {_COLUMNS} FROM async_task WHERE "
            f"{_of_queue(web, 'q.name' if lateral else '{p}')} "
            f"AND priority = {priority} AND {condition} "
            "ORDER BY turn, due_at, id LIMIT {p} {skip_locked}"
        )
    )
    first = f"SELECT {_COLUMNS} FROM ({rows}) ready LIMIT {{p}}"
    if not lateral:
        return first, [*_repeated([*queues, limit]), limit]
    names = ", ".join(["({p})"] * len(queues))
    return (
        f"SELECT first.* FROM (VALUES {names}) AS q(name) CROSS JOIN LATERAL ({first}) "
        "first",
        [*queues, limit, limit],
    )


def _chosen_heads(queue: str, limit: int, web: bool) -> tuple[str, list[Any]]:
    ready, parameters = _ready_heads(queue, web, "id")
    return (
        f"SELECT {_COLUMNS} FROM async_task WHERE id IN "
        # Not the oldest first: a long group would take the turns of all others.
        f"({ready} AND due_at <= {{now}} ORDER BY random() LIMIT {{p}}) "
        "AND state = 'pending' {skip_locked}",
        [*parameters, limit],
    )


def _ready_heads(queue: str, web: bool, column: str) -> tuple[str, list[Any]]:
    """A SELECT of the pending first rows of groups of which nothing runs.

    One search of an index for each group, however many rows it has.
    """
    unfinished = (
        "queue = {p} AND ordered_group IS NOT NULL "
        "AND state IN ('pending', 'sent', 'running')"
    )
    columns = "id, ordered_group, state, web, due_at"
    first = "ORDER BY ordered_group, id LIMIT 1"
    return (
        "WITH RECURSIVE heads AS ("
        f"SELECT * FROM (SELECT {columns} FROM async_task WHERE {unfinished} {first}) "
        "first UNION ALL "
        "SELECT t.id, t.ordered_group, t.state, t.web, t.due_at FROM heads "
        f"JOIN async_task t ON t.id = (SELECT id FROM async_task WHERE {unfinished} "
        f"AND ordered_group > heads.ordered_group {first})) "
        f"SELECT {column} FROM heads WHERE state = 'pending'{_without_web(web)} "
        # A failed task that is requeued is before one that runs.
        "AND NOT EXISTS (SELECT 1 FROM async_task r WHERE r.queue = {p} "
        "AND r.ordered_group = heads.ordered_group AND r.state = 'running')",
        [queue, queue, queue],
    )


def first_due(queues: Sequence[str], web: bool) -> tuple[str, list[Any]]:
    """A SELECT of the earliest due time; its parameters.

    Not of rows that wait for another one of their group: its end wakes the workers.
    """
    firsts, parameters = [], []
    for queue in queues:
        select, own = _first_due(queue, web)
        firsts.append(f"SELECT due_at FROM ({select}) first")
        parameters += own
    return f"SELECT min(due_at) AS due_at FROM ({_union(firsts)}) firsts", parameters


def _first_due(queue: str, web: bool) -> tuple[str, list[Any]]:
    if is_ordered(queue):
        return _ready_heads(queue, web, "due_at")
    # A row with a turn is due, whichever it is.
    rows = _of_each_priority(
        lambda priority: _union(
            [
                f"SELECT due_at FROM (SELECT due_at FROM async_task "
                f"WHERE {_of_queue(web)} AND priority = {priority} "
                f"AND turn IS {which} ORDER BY turn, due_at LIMIT 1) {name}"
                for name, which in (("untagged", "NULL"), ("tagged", "NOT NULL"))
            ]
        )
    )
    return rows, _repeated([queue, queue])


def _union(selects: Sequence[str]) -> str:
    return " UNION ALL ".join(selects)


def _of_queue(web: bool, queue: str = "{p}") -> str:
    # Each form matches the condition of a partial index.
    return f"state = 'pending' AND queue = {queue}{_without_web(web)}"


def _without_web(web: bool) -> str:
    return "" if web else " AND NOT web"


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
    return _union(
        [f"SELECT * FROM ({select(str(n))})" for n in range(PRIORITY_LAST + 1)]
    )


def _repeated(parameters: list[Any]) -> list[Any]:
    """Parameters of :func:`_of_each_priority`, from those of one priority."""
    return parameters * (1 if backend.name == "postgresql" else PRIORITY_LAST + 1)
