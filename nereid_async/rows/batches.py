"""Statements that write batches: their rows, their ends, and the cancel of members.

Nobody counts members down. Whoever has ended one looks, after its commit, whether any
is left; of several who find none, one gets the row of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..database import connections
from ..messages.outcome import State
from .batch_status import UNFINISHED, ended_counts
from .outbox import OutboxRows
from .records import BatchRow, EndedBatch, Row
from .status import StatusRows

#: Members cancelled by one statement, at most.
_MEMBERS_A_STATEMENT = 10_000
_LEFT = f"SELECT 1 FROM async_task t WHERE t.batch = b.uuid AND t.state IN {UNFINISHED}"

#: Members that neither were cancelled nor asked to stop.
_UNASKED = (
    "SELECT 1 FROM async_task t LEFT JOIN async_run r ON r.uuid = t.uuid "
    f"WHERE t.batch = b.uuid AND t.state IN {UNFINISHED} "
    "AND (t.state <> 'running' OR r.cancel_requested_at IS NULL)"
)


class BatchRows(OutboxRows, StatusRows):
    """Writes batches, and ends those of which no member is left."""

    def insert_batches(
        self, cursor: connections.Cursor, batches: Sequence[BatchRow], ttl_s: float
    ) -> None:
        """Write batches through the cursor of the caller's transaction.

        :param ttl_s: how long the result of one without members stays readable, in
            seconds.
        """
        for batch in batches:
            ended = batch.ended
            self.execute(
                cursor,
                "INSERT INTO async_batch (uuid, name, state, {user}, cancellable, "
                "then_message, failure_message, create_date, created_at, done, failed, "
                "cancelled, finished_at, expires_at) VALUES ({p}, {p}, {p}, {p}, {p}, "
                "{p}, {p}, {now}, {now}, 0, 0, 0, "
                + ("{now}, {later})" if ended else "NULL, NULL)"),
                [
                    batch.id,
                    batch.name,
                    (State.DONE if ended else State.RUNNING).value,
                    batch.user,
                    batch.cancellable,
                    batch.then,
                    batch.on_failure,
                    *([ttl_s] if ended else []),
                ],
            )

    def insert_apart(
        self,
        rows: Sequence[Row],
        notify: bool,
        batches: Sequence[BatchRow] = (),
        ttl_s: float = 0,
    ) -> None:
        """Write rows and batches in a transaction of their own.

        See :meth:`insert` and :meth:`insert_batches`.
        """
        with connections.transaction(self.database) as cursor:
            self.insert_batches(cursor, batches, ttl_s)
            self.insert(cursor, rows, notify)

    def look_at_batch(self, batch_id: str) -> tuple[bool, bool] | None:
        """Whether members are left, and whether it is to be cancelled.

        None if it has ended, or there is none.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT CASE WHEN EXISTS ({_LEFT}) THEN 1 ELSE 0 END, "
                "CASE WHEN b.cancel_requested_at IS NULL THEN 0 ELSE 1 END "
                "FROM async_batch b WHERE b.uuid = {p} AND b.state = 'running'",
                [batch_id],
            )
            row = cursor.fetchone()
        return None if row is None else (bool(row[0]), bool(row[1]))

    def end_batch(
        self,
        batch_id: str,
        ttl_s: float,
        callback: Callable[[str], Row],
        notify: bool,
    ) -> EndedBatch | None:
        """End a batch of which no member is left, and write what it calls then.

        :param ttl_s: how long its result stays readable, in seconds.
        :param callback: makes the row of a call from the text in the batch's row.
        :param notify: whether to wake the workers of this database at the commit.
        :returns: None if a member is left, or the batch has ended before.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_batch AS b SET finished_at = {now}, "
                "expires_at = {later}, state = CASE WHEN cancel_requested_at IS NULL "
                "THEN 'done' ELSE 'cancelled' END "
                f"WHERE uuid = {{p}} AND state = 'running' AND NOT EXISTS ({_LEFT}) "
                "RETURNING name, state, then_message, failure_message",
                [ttl_s, batch_id],
            )
            row = cursor.fetchone()
            if row is None:
                return None
            name, state, *texts = row
            counts = ended_counts(self._members(cursor, batch_id))
            self.execute(
                cursor,
                "UPDATE async_batch SET done = {p}, failed = {p}, cancelled = {p} "
                "WHERE uuid = {p}",
                [*counts.values(), batch_id],
            )
            ended = EndedBatch(batch_id, name, State(state), **counts)
            self.insert(cursor, [*map(callback, called(ended, *texts))], notify)
            return ended

    def batches_to_end(self, limit: int) -> list[str]:
        """Batches of which no member is left, or not all are cancelled yet; ids.

        :param limit: how many at most.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT b.uuid FROM async_batch b WHERE b.state = 'running' AND "
                f"(NOT EXISTS ({_LEFT}) OR b.cancel_requested_at IS NOT NULL "
                f"AND EXISTS ({_UNASKED})) "
                "ORDER BY b.id LIMIT {p}",
                [limit],
            )
            return [uuid for (uuid,) in cursor.fetchall()]

    def cancel_batch(self, batch_id: str) -> State | None:
        """Note that a batch is to be cancelled.

        :returns: the state in which it was found; None if there is no such batch.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_batch SET cancel_requested_at = "
                "COALESCE(cancel_requested_at, {now}) "
                "WHERE uuid = {p} AND state = 'running'",
                [batch_id],
            )
            if cursor.rowcount:
                return State.RUNNING
            statement = "SELECT state FROM async_batch WHERE uuid = {p}"
            self.execute(cursor, statement, [batch_id])
            row = cursor.fetchone()
        return None if row is None else State(row[0])

    def cancel_members(self, batch_id: str, *, interrupt: bool = False) -> int:
        """Cancel the waiting members of a batch, and ask the running ones to stop.

        Each by one statement. What others have locked is left: it is running, or about
        to, and the next look at the batch finds it.

        :param interrupt: whether to interrupt runs that do not stop by themselves.
        :returns: number of waiting members that were cancelled.
        """
        cancelled = 0
        while True:
            number = self._cancel_waiting(batch_id)
            cancelled += number
            if number < _MEMBERS_A_STATEMENT:
                break
        self._ask_members(batch_id, interrupt)
        return cancelled

    def _cancel_waiting(self, batch_id: str) -> int:
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "WITH mine AS MATERIALIZED (SELECT id FROM async_task "
                "WHERE batch = {p} AND state IN ('pending', 'sent') "
                "LIMIT {p} {skip_locked}) "
                "UPDATE async_task SET state = 'cancelled', finished_at = {now}, "
                "token = NULL, send_at = NULL WHERE id IN (SELECT id FROM mine) "
                "RETURNING queue",
                [batch_id, _MEMBERS_A_STATEMENT],
            )
            queues = [queue for (queue,) in cursor.fetchall()]
            for queue in set(queues):
                self._wake_group(cursor, queue)
            return len(queues)

    def _ask_members(self, batch_id: str, interrupt: bool) -> None:
        also = ", interrupt = {true}" if interrupt else ""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "WITH mine AS MATERIALIZED (SELECT r.id FROM async_run r "
                "JOIN async_task t ON t.uuid = r.uuid "
                "WHERE t.batch = {p} AND t.state = 'running' {skip_locked_run}) "
                "UPDATE async_run SET cancel_requested_at = "
                f"COALESCE(cancel_requested_at, {{now}}){also} "
                "WHERE id IN (SELECT id FROM mine)",
                [batch_id],
            )

    def reap_batches(self, row_ttl_s: float, limit: int) -> int:
        """Remove the rows of batches that have ended; return their number.

        :param row_ttl_s: how long they are kept, in seconds.
        :param limit: rows removed, at most.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "DELETE FROM async_batch WHERE id IN (SELECT id FROM async_batch "
                "WHERE finished_at < {later} LIMIT {p})",
                [-row_ttl_s, limit],
            )
            return int(cursor.rowcount)


def called(ended: EndedBatch, then: str | None, on_failure: str | None) -> list[str]:
    """What a batch calls at its end: nothing if it was cancelled."""
    if ended.state is State.CANCELLED:
        return []
    calls = [then, on_failure if ended.failed else None]
    return [it for it in calls if it is not None]
