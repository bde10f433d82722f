"""Statements for groups: their order in ordered queues, their turns in the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from trytond import backend

from ..database import connections
from ..messages.serialization import dumps
from .records import Row
from .statements import Statements

#: Condition of rows ``o`` that are before a row in an ordered group.
_EARLIER = (
    "o.queue = async_task.queue AND o.ordered_group = async_task.ordered_group "
    "AND o.ordered_group IS NOT NULL AND o.id < async_task.id"
)
_BEFORE = f"{_EARLIER} AND o.state IN ('pending', 'sent', 'running')"
#: Condition of rows before which no row of an ordered group is unfinished.
FIRST = f"NOT EXISTS (SELECT 1 FROM async_task o WHERE {_BEFORE})"
#: Condition of rows whose message can be sent without overtaking one of its group: all
#: that are not in an ordered queue.
IN_ORDER = (
    "(ordered_group IS NULL OR due_at <= {now} "
    f"AND NOT EXISTS (SELECT 1 FROM async_task o WHERE {_EARLIER} "
    "AND o.state = 'pending' AND NOT (o.due_at <= {now} "
    "AND o.deferred_at <= {later} AND (o.send_at IS NULL OR o.send_at <= {now}))))"
)
#: The next turn of a group ``g``.
_NEXT_TURN = (
    "COALESCE((SELECT max(turn) + 1 FROM async_task WHERE state = 'pending' "
    "AND queue = g.queue AND priority = g.priority AND group_name = g.name "
    "AND turn IS NOT NULL), (SELECT min(turn) FROM async_task WHERE state = 'pending' "
    "AND queue = g.queue AND priority = g.priority AND turn IS NOT NULL), 0)"
)


class GroupRows(Statements):
    """Keeps the order of groups, and gives rows their turns."""

    def turns(
        self, cursor: connections.Cursor, rows: Sequence[Row]
    ) -> list[int | None]:
        """The turns of rows; None for a row without one. Empty if no row has one."""
        groups = [_group(row) for row in rows]
        distinct = sorted({group for group in groups if group is not None})
        if not distinct:
            return []
        values = ", ".join(["({p}, {p}, {p})"] * len(distinct))
        self.execute(
            cursor,
            f"WITH g(queue, priority, name) AS (VALUES {values}) "
            f"SELECT g.queue, g.priority, g.name, {_NEXT_TURN} FROM g",
            [it for group in distinct for it in group],
        )
        following = {tuple(group): turn for *group, turn in cursor.fetchall()}
        turns: list[int | None] = []
        for group in groups:
            turns.append(None if group is None else following[group])
            if group is not None:
                following[group] += 1
        return turns

    def keep_order(self, cursor: connections.Cursor, rows: Sequence[Row]) -> None:
        """Let the ids of a group's rows be in the order of their commits.

        On PostgreSQL each group has a lock until the commit. SQLite has one writer.
        """
        if backend.name != "postgresql":
            return
        # In the same order everywhere, so that transactions do not wait for each other.
        keys = sorted({_lock_key(row) for row in rows if row.is_ordered})
        if keys:
            self.execute(
                cursor,
                "SELECT pg_advisory_xact_lock(key) FROM unnest({p}::bigint[]) key",
                [keys],
            )

    def set_aside(self, task_id: str) -> bool:
        """Let a received task of an ordered queue wait in its row.

        Its message came before that of an earlier task of its group, and would keep it
        back. The relay sends it again when that has been sent.

        :returns: False if the task is the first of its group, or if one of the group
            runs: the message is to stay.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET state = 'pending', send_at = {now} "
                "WHERE uuid = {p} AND state IN ('pending', 'sent') "
                f"AND EXISTS (SELECT 1 FROM async_task o WHERE {_BEFORE}) "
                "AND NOT EXISTS (SELECT 1 FROM async_task o JOIN async_run r "
                "ON r.uuid = o.uuid AND r.lease_until >= {now} "
                "WHERE o.queue = async_task.queue AND o.state = 'running' "
                "AND o.ordered_group = async_task.ordered_group) RETURNING uuid",
                [task_id],
            )
            return cursor.fetchone() is not None


def _group(row: Row) -> tuple[str, int, str] | None:
    """With which rows a row takes turns; None for a row without a turn.

    A row with a delay has none, and goes by its due time.
    """
    message = row.message
    if message.group is None or message.delay_s or row.is_ordered:
        return None
    return message.queue, message.priority, message.group


def _lock_key(row: Row) -> int:
    """The key of the advisory lock of a row's group: 64 bits, signed."""
    name = dumps(["nereid_async.order", row.message.queue, row.message.group])
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
