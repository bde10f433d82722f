"""SQL that chooses due rows of several queues, each by a subquery of its own.

One condition for several queues would read and sort all their due rows, however few
are claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def chosen(queues: Sequence[str], limit: int, web: bool) -> tuple[list[str], list[Any]]:
    """Common table expressions, the last of which is ``due`` with the ids; parameters.

    The oldest rows of each queue come first, so that no queue waits for another one.

    :param web: whether to choose tasks that need the web app, too.
    """
    first = (
        f"SELECT id, due_at FROM async_task WHERE {_of_queue(web)} "
        "AND due_at <= {now} ORDER BY due_at, id LIMIT {p} {skip_locked}"
    )
    if len(queues) == 1:
        return [f"due AS MATERIALIZED ({first})"], [queues[0], limit]
    names = [f"due_{number}" for number in range(len(queues))]
    placed = " UNION ALL ".join(
        f"SELECT id, due_at, row_number() OVER (ORDER BY due_at, id) AS place "
        f"FROM {name}"
        for name in names
    )
    expressions = [f"{name} AS MATERIALIZED ({first})" for name in names]
    expressions.append(
        f"due AS MATERIALIZED (SELECT id FROM ({placed}) placed "
        "ORDER BY place, due_at, id LIMIT {p})"
    )
    return expressions, [*(it for queue in queues for it in (queue, limit)), limit]


def first_due(queues: Sequence[str], web: bool) -> str:
    """A SELECT of the earliest due time; its parameters are the queues."""
    firsts = " UNION ALL ".join(
        [f"SELECT min(due_at) AS due_at FROM async_task WHERE {_of_queue(web)}"]
        * len(queues)
    )
    return f"SELECT min(due_at) AS due_at FROM ({firsts}) firsts"


def _of_queue(web: bool) -> str:
    # Each form matches the condition of a partial index.
    return "state = 'pending' AND queue = {p}" + ("" if web else " AND NOT web")
