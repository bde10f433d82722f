"""Statements of the relay that find tasks whose messages are lost."""

from __future__ import annotations

from collections.abc import Sequence

from ..database import connections
from .records import UnsentRow
from .statements import SHORT_TEXT, Statements, params

#: Condition of rows sent long ago that have neither run nor been sent again since.
_FORGOTTEN = (
    "state = 'sent' AND due_at < {later} AND (send_at IS NULL OR send_at <= {now})"
)
#: Runs whose lease is over: their messages come again, or are lost.
_ENDED_RUNS = (
    "FROM async_run r JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
    "WHERE r.lease_until < "
)


class ResendRows(Statements):
    """Tells how many messages a queue should hold, and which ones may be lost."""

    def forgotten_queues(self, age_s: float, lease_over_s: float) -> list[str]:
        """Short names of the queues that may have lost a message.

        :param age_s: how long a sent message may wait before it may count as lost.
        :param lease_over_s: seconds after the end of a lease in which its message
            becomes visible again.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT queue FROM async_task WHERE {_FORGOTTEN} UNION "
                f"SELECT t.queue {_ENDED_RUNS} {{later}}",
                [-age_s, -lease_over_s],
            )
            return sorted(queue for (queue,) in cursor.fetchall())

    def awaited(self, queue: str) -> int:
        """Number of messages that should be waiting in a queue now."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT (SELECT count(*) FROM async_task "
                "WHERE state = 'sent' AND due_at <= {now} AND queue = {p}) + "
                f"(SELECT count(*) {_ENDED_RUNS} {{now}} AND t.queue = {{p}})",
                [queue, queue],
            )
            (number,) = cursor.fetchone()
            return int(number)

    def forgotten(self, queue: str, limit: int, age_s: float) -> list[UnsentRow]:
        """Rows of a queue that were sent ``age_s`` seconds ago, the oldest first."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT uuid, queue, name, {SHORT_TEXT}, group_name FROM async_task "
                f"WHERE {_FORGOTTEN} "
                "AND queue = {p} ORDER BY due_at, id LIMIT {p}",
                [-age_s, queue, limit],
            )
            return [
                UnsentRow(uuid, queue, name, text, group=group)
                for uuid, queue, name, text, group in cursor.fetchall()
            ]

    def mark_resent(self, ids: Sequence[str], interval_s: float) -> None:
        """Note that rows were sent again, and are not to be within ``interval_s``."""
        if not ids:
            return
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET send_at = {later} "
                f"WHERE uuid IN ({params(ids)}) AND state = 'sent'",
                [interval_s, *ids],
                durable=False,
            )

    def mark_unsent(self, ids: Sequence[str]) -> None:
        """Set rows to ``pending`` whose queue does not exist any more."""
        if not ids:
            return
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET state = 'pending', send_at = NULL "
                f"WHERE uuid IN ({params(ids)}) AND state = 'sent'",
                ids,
            )

    def reopen(self, queue: str, limit: int, lease_over_s: float) -> int:
        """Set tasks to ``pending`` whose lease ended ``lease_over_s`` seconds ago.

        If their worker lives all the same, its claim is void.

        :returns: number of tasks.
        """
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                f"WITH ended AS MATERIALIZED (SELECT r.id {_ENDED_RUNS} {{later}} "
                "AND t.queue = {p} ORDER BY r.lease_until LIMIT {p} {skip_locked}) "
                "UPDATE async_run SET lease_until = NULL "
                "WHERE id IN (SELECT id FROM ended) RETURNING uuid",
                [-lease_over_s, queue, limit],
            )
            ids = [uuid for (uuid,) in cursor.fetchall()]
            if not ids:
                return 0
            self.execute(
                cursor,
                "UPDATE async_task SET state = 'pending', token = NULL, "
                "due_at = {now}, send_at = NULL "
                f"WHERE uuid IN ({params(ids)}) AND state = 'running'",
                ids,
            )
            return int(cursor.rowcount)
