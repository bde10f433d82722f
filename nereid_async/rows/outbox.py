"""The outbox: rows written with the caller's transaction, and marked once sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from trytond import backend

from ..database import connections
from ..limits import DELAY_MAX_S, SQS_DELAY_MAX_S
from ..messages.outcome import Failure, State
from ..messages.serialization import dumps
from ..queue_selection import ALL_QUEUES, is_ordered
from ..texts import storable
from .groups import FIRST, IN_ORDER, GroupRows
from .records import Row, UniqueKey, UnsentRow
from .statements import CHANNEL, SHORT_TEXT, params
from .unique import KEY_CONFLICT, Placed, UniqueRows, changed_meanwhile

#: SQLite takes 32,766 parameters a statement (its "Limits" page); a row has 9, or a
#: few more.
_ROWS_A_STATEMENT = 1_000
#: Since when a row could have been sent.
_READY_AT = "{greatest}(due_at, deferred_at)"
#: A row that the service has refused waits for half its age, within these bounds.
_PAUSE_MIN_S, _PAUSE_MAX_S = 10, 3_600


class OutboxRows(GroupRows, UniqueRows):
    """Writes rows, and notes which ones were sent and which ones were refused.

    ``send_at`` is when the relay may look at a row again: a pending row that the queue
    service has refused, or a sent row that was sent again. NULL means any time.
    """

    def insert(
        self, cursor: connections.Cursor, rows: Sequence[Row], notify: bool
    ) -> None:
        """Write rows through the cursor of the caller's transaction.

        One statement per 1,000 rows, and one before if some have a group.

        A due row of a group that is not ordered gets a turn: the number after that of
        the group's last waiting row, or if none waits, the first number that waits in
        the queue. So groups take turns, however many rows each has.

        :param notify: whether to wake the workers of this database at the commit; they
            claim the rows, and turns matter.
        :raises DatabaseOperationalError: another transaction has written a row with the
            unique key of one of these.
        """
        self.keep_order(cursor, rows)
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            some = rows[start : start + _ROWS_A_STATEMENT]
            if self._insert(cursor, some, notify) < len(some):
                raise changed_meanwhile("a task with the same key was deferred")

    def _insert(
        self, cursor: connections.Cursor, rows: Sequence[Row], notify: bool
    ) -> int:
        """Write rows; return their number, without those whose key is taken."""
        columns = [row.columns for row in rows]
        # Most tasks use none of these, and their statement does not name them.
        used = sorted(set().union(*columns))
        turns = self.turns(cursor, rows) if notify else []
        names = ["message", *used, *(["turn"] if turns else [])]
        values = ", ".join(
            [
                "({p}, {p}, {p}, {p}, {p}, {p}, 'pending', {p}, {now}, {now}, {later}, "
                f"{params(names)})"
            ]
            * len(rows)
        )
        parameters: list[Any] = []
        for number, (row, own) in enumerate(zip(rows, columns, strict=True)):
            message = row.message
            parameters += [
                message.id,
                message.target.name,
                message.queue,
                message.priority,
                message.web is not None,
                message.record,
                message.user,
                message.delay_s,
                row.text,
                *map(own.get, used),
                *turns[number : number + 1],
            ]
        statement = (
            "INSERT INTO async_task (uuid, name, queue, priority, web, about, state, "
            f"{{user}}, create_date, deferred_at, due_at, {', '.join(names)}) VALUES "
            + values
        )
        unique = "unique_key" in used
        if unique:
            statement += f" {KEY_CONFLICT} DO NOTHING"
        elif notify and backend.name == "postgresql":
            statement += f'; NOTIFY "{CHANNEL}"'
        self.execute(cursor, statement, parameters)
        if not unique:
            return len(rows)
        written: int = cursor.rowcount
        if notify:
            self._wake_workers(cursor)
        return written

    def place_apart(
        self, key: UniqueKey, task_id: str, row_of: Callable[[str], Row], notify: bool
    ) -> Placed:
        """Write a unique call in a transaction of its own, or keep or replace.

        :param task_id: its id, if no task of its key waits.
        :param row_of: returns the row to write, with the id that it is given.
        """
        with connections.transaction(self.database) as cursor:
            while True:
                waiting = self._lock(cursor, "unique_key", key.value, "UPDATE")
                if waiting is None:
                    if self._insert(cursor, [row_of(task_id)], notify):
                        return Placed(task_id, State.PENDING)
                elif key.replaces:
                    state = self.replace(cursor, row_of(waiting), notify)
                    return Placed(waiting, state)
                else:
                    return Placed(waiting, None)

    def mark_sent(self, ids: Sequence[str], read_s: float | None = None) -> None:
        """Note that the queue service has confirmed these messages.

        A row that is due later than a message can wait is left alone: it has run since,
        and was released with a long delay. So is one that was set aside since.

        :param read_s: how long ago the rows were read, in seconds; None if the messages
            were sent by who wrote the rows.
        """
        at = "FALSE" if read_s is None else "send_at <= {later}"
        self._change_pending(
            ids,
            "state = 'sent', send_at = NULL",
            also=f"AND (send_at IS NULL OR {at})",
            also_parameters=[] if read_s is None else [-read_s],
            horizon_s=SQS_DELAY_MAX_S,
            durable=False,
        )

    def unsent(
        self,
        limit: int,
        min_age_s: float,
        horizon_s: float,
        paused: Collection[str] = (),
    ) -> list[UnsentRow]:
        """Rows that should have been sent by now: by priority, the oldest first.

        :param limit: number of rows, at most.
        :param min_age_s: how long the process that deferred a row is left to send it,
            in seconds.
        :param horizon_s: how long before its due time a row can be sent, in seconds.
        :param paused: short names of queues to leave out, or ``*`` for all.
        """
        due_in_s = self._seconds_between("{now}", "due_at")
        late_s = self._seconds_between(_READY_AT, "{now}")
        if ALL_QUEUES in paused:
            return []
        others = f"AND queue NOT IN ({params(paused)}) " if paused else ""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT id, uuid, queue, name, {SHORT_TEXT}, {due_in_s}, {late_s}, "
                "send_at IS NOT NULL, group_name FROM async_task "
                "WHERE state = 'pending' AND due_at <= {later} "
                "AND deferred_at <= {later} "
                f"AND (send_at IS NULL OR send_at <= {{now}}) AND {IN_ORDER} {others}"
                "ORDER BY priority, due_at LIMIT {p}",
                [horizon_s, -min_age_s, -min_age_s, *paused, limit],
            )
            found = cursor.fetchall()
        # Those of an ordered queue by id, behind the others.
        found.sort(key=lambda row: row[0] if is_ordered(row[2]) else 0)
        return [
            UnsentRow(
                uuid, queue, name, text, max(0.0, float(due)), float(late), bool(it), g
            )
            for _, uuid, queue, name, text, due, late, it, g in found
        ]

    def oldest_unsent_s(self, horizon_s: float) -> float:
        """For how long the oldest row has waited that should have been sent by now.

        In seconds; 0 if there is none. Rows of paused queues wait on purpose.

        :param horizon_s: how long before its due time a row can be sent, in seconds.
        """
        late_s = self._seconds_between(f"MIN({_READY_AT})", "{now}")
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT {late_s} FROM async_task WHERE state = 'pending' "
                f"AND due_at <= {{later}} AND {FIRST} "
                "AND NOT EXISTS (SELECT 1 FROM async_queue q "
                "WHERE q.paused AND q.name IN (async_task.queue, '*'))",
                [horizon_s],
            )
            (value,) = cursor.fetchone()
        return 0.0 if value is None else max(0.0, float(value))

    def set_back(self, ids: Sequence[str]) -> None:
        """Delay rows that the queue service refuses; older ones wait longer."""
        half_age_s = f"0.5 * ({self._seconds_between(_READY_AT, '{now}')})"
        pause_s = (
            f"{{least}}({{greatest}}({half_age_s}, {_PAUSE_MIN_S}), {_PAUSE_MAX_S})"
        )
        self._change_pending(ids, f"send_at = {self._after(pause_s)}")

    def send_soon(self, queues: Sequence[str]) -> None:
        """End the delays of rows whose queues take messages again."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET send_at = NULL WHERE state = 'pending' "
                # Those may be set aside.
                "AND ordered_group IS NULL "
                f"AND queue IN ({params(queues)}) AND send_at IS NOT NULL",
                queues,
            )

    def fail_unsent(
        self, ids: Sequence[str], failure: Failure, ttl_s: float
    ) -> list[str]:
        """Fail rows that cannot be sent; return the ids of those that had not run.

        :param ttl_s: how long the failure stays readable, in seconds.
        """
        return self._change_pending(
            ids,
            "state = 'failed', send_at = NULL, error = {p}, finished_at = {now}, "
            "expires_at = {later}, traceback = {p}",
            [dumps(failure.as_json()), ttl_s, storable(failure.traceback)],
        )

    def take_back_sent(self, limit: int) -> int:
        """Let sent tasks run from their rows, since nobody receives their messages.

        For a change of the broker from ``sqs`` to ``database``.

        :param limit: number of rows, at most.
        :returns: number of rows changed.
        """
        with connections.autocommit(self.database) as cursor:
            # Usually there is none, and this look takes no lock.
            statement = "SELECT 1 FROM async_task WHERE state = 'sent' LIMIT 1"
            self.execute(cursor, statement, [])
            if cursor.fetchone() is None:
                return 0
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "WITH sent AS MATERIALIZED (SELECT id FROM async_task "
                "WHERE state = 'sent' LIMIT {p} {skip_locked}) "
                "UPDATE async_task SET state = 'pending', send_at = NULL "
                "WHERE id IN (SELECT id FROM sent) AND state = 'sent' RETURNING id",
                [limit],
            )
            taken_back = len(cursor.fetchall())
            if taken_back:
                self._wake_workers(cursor)
            return taken_back

    def _change_pending(
        self,
        ids: Sequence[str],
        changes: str,
        parameters: Sequence[Any] = (),
        *,
        horizon_s: float = DELAY_MAX_S,
        also: str = "",
        also_parameters: Sequence[Any] = (),
        durable: bool = True,
    ) -> list[str]:
        """Change pending rows; return the ids of those that were changed.

        :param horizon_s: latest due time of a row to change, in seconds from now.
        :param also: further condition of the rows, with its parameters.
        """
        if not ids:
            return []
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "WITH mine AS MATERIALIZED (SELECT id FROM async_task "
                f"WHERE uuid IN ({params(ids)}) AND state = 'pending' "
                f"AND due_at <= {{later}} {also} {{skip_locked}}) "
                f"UPDATE async_task SET {changes} "
                "WHERE id IN (SELECT id FROM mine) AND state = 'pending' "
                "RETURNING uuid",
                [*ids, horizon_s, *also_parameters, *parameters],
                durable=durable,
            )
            return [uuid for (uuid,) in cursor.fetchall()]
