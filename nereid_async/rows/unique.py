"""Statements for unique tasks: of those with one key, one waits at a time.

``unique_key`` stays as it was written; ``unique_until`` tells whether the row has the
key to itself: until the task's ``start``, when the claim clears it, or its ``finish``.
A partial unique index guards it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trytond import backend

from ..database import connections
from ..messages.outcome import State
from .records import Row
from .statements import Statements, params

#: Condition of rows that have their key to themselves, as in the unique index.
HAS_KEY = "unique_until IS NOT NULL AND state IN ('pending', 'sent', 'running')"
_KEYS_A_STATEMENT = 1_000
#: SQL by which a claim gives up the key that it has only until the start.
STARTED = "unique_until = NULLIF(unique_until, 'start')"
#: The conflict of an INSERT that can be left out.
KEY_CONFLICT = f"ON CONFLICT (unique_key) WHERE {HAS_KEY}"


class Placed(NamedTuple):
    """Where a unique call has gone.

    :ivar id: the task's id.
    :ivar state: the state of its row; None if it was kept as it was.
    """

    id: str
    state: State | None


def changed_meanwhile(what: str) -> Exception:
    """The error after which Tryton runs the transaction again."""
    return backend.DatabaseOperationalError(  # type: ignore[no-any-return]
        f"could not serialize access: {what} meanwhile; run the transaction again"
    )


class UniqueRows(Statements):
    """Finds, keeps and replaces the waiting task of a key."""

    def waiting(
        self, cursor: connections.Cursor, keys: Sequence[str]
    ) -> dict[str, str]:
        """The ids of the tasks that have keys, by those."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), _KEYS_A_STATEMENT):
            some = keys[start : start + _KEYS_A_STATEMENT]
            self.execute(
                cursor,
                "SELECT unique_key, uuid FROM async_task "
                f"WHERE unique_key IN ({params(some)}) AND {HAS_KEY}",
                some,
            )
            found.update(cursor.fetchall())
        return found

    def keep(self, cursor: connections.Cursor, task_id: str, notify: bool) -> None:
        """Make sure that a task still has its key when this transaction commits.

        Locks its row in the caller's transaction: whoever claims it sees what this
        transaction has written. Several may keep one task at the same time.

        :param notify: whether to wake the workers, which pass over a locked row.
        :raises DatabaseOperationalError: it has started, or was cancelled.
        """
        if self._lock(cursor, "uuid", task_id, "SHARE") is None:
            raise changed_meanwhile(f"task {task_id} has started")
        if notify:
            self._wake_workers(cursor)

    def replace(self, cursor: connections.Cursor, row: Row, notify: bool) -> State:
        """Write another call into the row of a waiting task.

        A task that was sent stays so if its message is not late: it waits in the queue
        until the task is due.

        :param row: the call, with the id of that task.
        :returns: the state of the task; a pending one is to be sent.
        :raises DatabaseOperationalError: it has started, or was cancelled.
        """
        message = row.message
        columns = {"group_name": None, "ordered_group": None, "batch": None}
        columns |= row.columns
        values = {
            "priority": message.priority,
            "web": message.web is not None,
            "about": message.record,
            "{user}": message.user,
            "message": row.text,
            **columns,
        }
        changes = ", ".join(f"{name} = {{p}}" for name in values)
        self.execute(
            cursor,
            f"UPDATE async_task SET {changes}, turn = NULL, "
            "state = CASE WHEN state = 'sent' AND queue = {p} AND due_at <= {later} "
            "THEN 'sent' ELSE 'pending' END, queue = {p}, due_at = {later}, "
            "deferred_at = {now}, send_at = NULL "
            f"WHERE uuid = {{p}} AND {HAS_KEY} AND state <> 'running' RETURNING state",
            [
                *values.values(),
                message.queue,
                message.delay_s,
                message.queue,
                message.delay_s,
                message.id,
            ],
        )
        found = cursor.fetchone()
        if found is None:
            raise changed_meanwhile(f"task {message.id} has started")
        if notify:
            self._wake_workers(cursor)
        return State(found[0])

    def have_keys_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Which tasks have the keys of failed and cancelled ones, by the ids of those.

        Those cannot run again until these have started.
        """
        if not ids:
            return {}
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT t.uuid, w.uuid FROM async_task t JOIN (SELECT id, uuid, "
                f"unique_key FROM async_task WHERE {HAS_KEY}) w "
                "ON w.unique_key = t.unique_key AND w.id <> t.id "
                f"WHERE t.uuid IN ({params(ids)}) "
                "AND t.state IN ('failed', 'cancelled')",
                ids,
            )
            return dict(cursor.fetchall())

    def _lock(
        self, cursor: connections.Cursor, column: str, value: str, strength: str
    ) -> str | None:
        """Lock the row that has its key until the commit; None if there is none."""
        condition = f"{column} = {{p}} AND {HAS_KEY}"
        if backend.name == "postgresql":
            statement = f"SELECT uuid FROM async_task WHERE {condition} FOR {strength}"
        else:
            # Any write locks the file, and nothing else does.
            statement = (
                "UPDATE async_task SET unique_key = unique_key "
                f"WHERE {condition} RETURNING uuid"
            )
        self.execute(cursor, statement, [value])
        row = cursor.fetchone()
        return None if row is None else str(row[0])
