"""Tasks that an operator looks for: chosen by id, task, queue, state and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..database import connections
from ..messages.outcome import State
from .statements import OF_NO_OPEN_BATCH, Statements, params


@dataclass(frozen=True)
class Selection:
    """Which tasks; what is None or empty does not narrow them.

    :ivar task: full name of the method or function.
    :ivar batch: id of the batch of which they are members.
    :ivar since_s: seconds since they finished, or else were deferred, at most.
    """

    ids: tuple[str, ...] = ()
    task: str | None = None
    queue: str | None = None
    key: str | None = None
    group: str | None = None
    batch: str | None = None
    states: tuple[State, ...] = ()
    since_s: float | None = None


class ListedTask(NamedTuple):
    """A task in a list; times are in UTC.

    :ivar key: the key of a unique task; None for none.
    :ivar group: its group; None for none.
    :ivar batch: id of the batch that it belongs to; None for none.
    :ivar attempt: number of attempts that count.
    :ivar error: JSON of the failure; None if it has not failed.
    :ivar progress_done: how far its latest attempt has come, of ``progress_total``;
        None if it has not said.
    :ivar progress_message: what it does, in its own words.
    """

    id: str
    task: str
    queue: str
    state: str
    key: str | None
    group: str | None
    batch: str | None
    attempt: int | None
    deferred_at: Any
    due_at: Any
    started_at: Any
    finished_at: Any
    worker: str | None
    error: str | None
    progress_done: float | None
    progress_total: float | None
    progress_message: str | None


class ListingRows(Statements):
    """Lists tasks, and discards some."""

    def listed(self, selection: Selection, limit: int | None) -> list[ListedTask]:
        """The chosen tasks, those deferred last first.

        :param limit: how many at most; None for all.
        """
        condition, parameters = self._condition(selection)
        limited = "" if limit is None else " LIMIT {p}"
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT t.uuid, t.name, t.queue, t.state, t.key, t.group_name, "
                "t.batch, r.attempt, t.deferred_at, t.due_at, r.started_at, "
                "t.finished_at, r.worker, t.error, r.progress_done, r.progress_total, "
                "r.progress_message "
                "FROM async_task t LEFT JOIN async_run r ON r.uuid = t.uuid "
                f"WHERE {condition} ORDER BY t.id DESC{limited}",
                parameters if limit is None else [*parameters, limit],
            )
            return [ListedTask(*row) for row in cursor.fetchall()]

    def _condition(self, selection: Selection) -> tuple[str, list[Any]]:
        states = [state.value for state in selection.states]
        parts: list[tuple[str, Sequence[Any]]] = [
            (f"t.uuid IN ({params(selection.ids)})", selection.ids),
            ("t.name = {p}", [selection.task] if selection.task else []),
            ("t.queue = {p}", [selection.queue] if selection.queue else []),
            ("t.key = {p}", [selection.key] if selection.key else []),
            ("t.group_name = {p}", [selection.group] if selection.group else []),
            ("t.batch = {p}", [selection.batch] if selection.batch else []),
            (f"t.state IN ({params(states)})", states),
        ]
        if selection.since_s is not None:
            since = "COALESCE(t.finished_at, t.deferred_at) >= {later}"
            parts.append((since, [-selection.since_s]))
        used = [(text, values) for text, values in parts if values]
        condition = " AND ".join(text for text, _ in used) or "1 = 1"
        return condition, [value for _, values in used for value in values]

    def discard(self, ids: Sequence[str]) -> list[str]:
        """Delete failed and cancelled tasks; return the ids of those.

        Not the members of an open batch, which are counted at its end.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                f"DELETE FROM async_task WHERE uuid IN ({params(ids)}) "
                f"AND state IN ('failed', 'cancelled') AND {OF_NO_OPEN_BATCH} "
                "RETURNING uuid, id",
                ids,
            )
            found = cursor.fetchall()
            gone = [uuid for uuid, _ in found]
            if gone:
                self._forget_runs(cursor, gone)
                self._forget_errors(cursor, [row_id for _, row_id in found])
        return gone
