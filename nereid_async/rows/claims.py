"""Statements of pollers: claims, which give each task to one worker."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from trytond import backend

from ..database import connections
from ..errors import DatabaseUnavailable
from ..messages.outcome import State
from . import due
from .records import Claim, Starts
from .statements import Statements, params
from .unique import STARTED

#: Leases ended by one statement, at most.
_LEASES_A_STATEMENT = 10_000
#: Condition of tasks that are the first unfinished ones of their group.
_FIRST_OF_GROUP = (
    " AND NOT EXISTS (SELECT 1 FROM async_task o WHERE o.queue = async_task.queue "
    "AND o.ordered_group = async_task.ordered_group AND o.ordered_group IS NOT NULL "
    "AND o.state IN ('pending', 'sent', 'running') "
    "AND (o.id < async_task.id OR o.state = 'running'))"
)


class ClaimRows(Statements):
    """Claims tasks. A claim is committed before its task starts.

    The commit need not be durable: a crash of the server that loses a claim also ends
    the run's session, and the task can be claimed again.

    The chosen rows are a MATERIALIZED expression. PostgreSQL may evaluate a plain
    subquery once per row, and with SKIP LOCKED each evaluation chooses other rows, so
    that more are claimed than the limit allows.
    """

    def claim_due(
        self,
        queues: Sequence[str],
        limit: int,
        lease_s: float,
        web: bool,
        starts: Starts | None = None,
    ) -> list[Claim]:
        """Claim due rows: by priority, then the oldest rows of each queue first.

        :param queues: short names of the queues.
        :param limit: number of rows to claim, at most.
        :param lease_s: length of the lease, in seconds.
        :param web: whether to claim tasks that need the web app, too.
        :param starts: lets claims count the attempt at once; None for none.
        """
        expressions, parameters = due.chosen(queues, limit, web)
        return self._take_alone(
            lambda: self._take(
                expressions,
                "id IN (SELECT id FROM due)",
                parameters,
                lease_s,
                starts,
            )
        )

    def _take_alone(self, take: Callable[[], list[Claim]]) -> list[Claim]:
        """Claim rows; once more if another worker has just claimed one of a group.

        Both have seen that nothing of the group ran, and an index lets one of them run
        it, which can happen after a failed task was requeued.
        """
        with suppress(backend.DatabaseIntegrityError):
            return take()
        return take()

    def claim_ids(
        self,
        ids: Sequence[str],
        lease_s: float,
        starts: Starts | None = None,
        *,
        ordered: bool = False,
    ) -> dict[str, Claim]:
        """Claim the tasks of received messages, as far as they are free.

        A task is free when it is due and not running, or if the lease of its run is
        over.

        :param lease_s: length of the lease, in seconds.
        :param ordered: whether they are of queues that keep the order of a group.
        :param starts: lets claims count the attempt at once; None for none.
        :returns: the claims by task id.
        """
        claims = self._take_ids(ids, lease_s, starts, ordered)
        rest = [uuid for uuid in ids if uuid not in claims]
        if rest:
            try:
                freed = self._free(f"AND r.uuid IN ({params(rest)}) ", rest, State.SENT)
                if freed:
                    claims |= self._take_ids(freed, lease_s, starts, ordered)
            except DatabaseUnavailable:
                # The claims that were made have to be run.
                if not claims:
                    raise
        return claims

    def _take_ids(
        self, ids: Sequence[str], lease_s: float, starts: Starts | None, ordered: bool
    ) -> dict[str, Claim]:
        claims = self._take_alone(
            lambda: self._take(
                [],
                f"uuid IN ({params(ids)}) AND state IN ('pending', 'sent') "
                "AND due_at <= {now}" + (_FIRST_OF_GROUP if ordered else ""),
                ids,
                lease_s,
                starts,
            )
        )
        return {claim.id: claim for claim in claims}

    def _take(
        self,
        chosen: Sequence[str],
        condition: str,
        parameters: Sequence[Any],
        lease_s: float,
        starts: Starts | None = None,
    ) -> list[Claim]:
        """Claim rows: set their state and token, and write a run for each.

        :param chosen: common table expressions that the condition refers to, or none.
        :param parameters: parameters of ``chosen``, or without it of the condition.
        """
        opening = _Opening(secrets.token_hex(16), lease_s, starts)
        take = (
            f"UPDATE async_task SET state = 'running', token = {{p}}, {STARTED} "
            f"WHERE {condition} RETURNING uuid, queue, message, priority, "
            "turn, due_at, id, counts_at_start"
        )
        token = [opening.token]
        parameters = [*parameters, *token] if chosen else [*token, *parameters]
        if backend.name == "postgresql":
            # One statement, one round trip.
            opened = opening.insert(f"SELECT uuid, {opening.values} FROM taken")
            expressions = [*chosen, f"taken AS ({take})", f"opened AS ({opened})"]
            with connections.autocommit(self.database) as cursor:
                self.execute(
                    cursor,
                    f"WITH {', '.join(expressions)} "
                    "SELECT t.uuid, t.queue, t.message, o.attempt, o.started, "
                    "o.cancelled FROM taken t JOIN opened o ON o.uuid = t.uuid "
                    "ORDER BY t.priority, t.turn, t.due_at, t.id",
                    [*parameters, *opening.parameters],
                    durable=False,
                )
                return [opening.claim(*row) for row in cursor.fetchall()]
        with connections.transaction(self.database) as cursor:
            before = f"WITH {', '.join(chosen)} " if chosen else ""
            self.execute(cursor, before + take, parameters)
            taken = sorted(cursor.fetchall(), key=_order)
            if not taken:
                return []
            ids = [uuid for uuid, *_ in taken]
            self.execute(
                cursor,
                opening.insert(
                    f"SELECT uuid, {opening.values} FROM async_task "
                    f"WHERE uuid IN ({params(ids)})"
                ),
                [*opening.parameters, *ids],
            )
            runs = {uuid: run for uuid, *run in cursor.fetchall()}
            return [
                opening.claim(uuid, queue, text, *runs[uuid])
                for uuid, queue, text, *_ in taken
            ]

    def free_expired(self) -> int:
        """Release tasks whose lease is over; return their number.

        Their attempts stay counted, and they keep their due time.
        """
        return len(self._free("", [], State.PENDING))

    def _free(self, condition: str, ids: Sequence[str], state: State) -> list[str]:
        """End runs whose lease is over; return the ids of their tasks.

        A later write of such a run has no effect, nor has its heartbeat.

        :param condition: further SQL condition, with the parameters ``ids``.
        :param state: state of the released tasks.
        """
        with connections.transaction(self.database, durable=False) as cursor:
            self.execute(
                cursor,
                "WITH over AS MATERIALIZED (SELECT r.id FROM async_run r "
                "JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
                f"WHERE r.lease_until < {{now}} {condition}"
                # Locks both rows, so that a run about to finish is skipped.
                "LIMIT {p} {skip_locked}) "
                "UPDATE async_run SET lease_until = NULL, token = '' "
                "WHERE id IN (SELECT id FROM over) RETURNING uuid",
                [*ids, _LEASES_A_STATEMENT],
            )
            freed = [uuid for (uuid,) in cursor.fetchall()]
            if not freed:
                return []
            self.execute(
                cursor,
                "UPDATE async_task SET state = {p}, token = NULL "
                f"WHERE uuid IN ({params(freed)})",
                [state.value, *freed],
            )
            if state is State.PENDING:
                self._wake_workers(cursor)
            return freed

    def next_due_s(self, queues: Sequence[str], web: bool) -> float | None:
        """Seconds until the next pending row is due; None if there is none."""
        seconds = self._seconds_between("{now}", "due_at")
        first, parameters = due.first_due(queues, web)
        with connections.autocommit(self.database) as cursor:
            self.execute(cursor, f"SELECT {seconds} FROM ({first}) first", parameters)
            (value,) = cursor.fetchone()
        return None if value is None else max(0.0, float(value))


def _order(row: Sequence[Any]) -> tuple[Any, ...]:
    """In which order the claimed rows run."""
    *_, priority, turn, due_at, row_id, _ = row
    return priority, turn is None, turn or 0, due_at, row_id


@dataclass(frozen=True)
class _Opening:
    """How the runs of new claims are written: claimed, or claimed and started."""

    token: str
    lease_s: float
    starts: Starts | None
    asked_at_s: float = field(default_factory=time.monotonic)

    @property
    def values(self) -> str:
        """The SQL values that follow the task's id in a row of :meth:`insert`.

        They may refer to columns of its row.
        """
        if self.starts is None:
            return "{p}, {later}, {now}, 0, NULL, NULL"
        if self.starts.at_once:
            return "{p}, {later}, {now}, 1, {p}, {now}"
        # The others are marked by :meth:`.RunRows.start`.
        return (
            "{p}, {later}, {now}, CASE WHEN counts_at_start THEN 0 ELSE 1 END, "
            "CASE WHEN counts_at_start THEN NULL ELSE {p} END, "
            "CASE WHEN counts_at_start THEN NULL ELSE {now} END"
        )

    @property
    def parameters(self) -> list[Any]:
        """The parameters of :attr:`values`."""
        worker = [] if self.starts is None else [self.starts.worker]
        return [self.token, self.lease_s, *worker]

    def insert(self, rows: str) -> str:
        """The statement that writes runs and returns their attempts.

        It updates the run of a task that was released before.

        :param rows: SQL rows of task ids and :attr:`values`.
        """
        changes = (
            "token = excluded.token, lease_until = excluded.lease_until, "
            "progress_done = NULL, progress_total = NULL, progress_message = NULL, "
        )
        if self.starts is not None and self.starts.at_once:
            changes += (
                "attempt = async_run.attempt + 1, worker = excluded.worker, "
                "started_at = excluded.started_at"
            )
        else:
            changes += "worker = NULL, started_at = NULL"
        return (
            "INSERT INTO async_run "
            "(uuid, token, lease_until, create_date, attempt, worker, started_at) "
            f"{rows} ON CONFLICT (uuid) DO UPDATE SET {changes} "
            "RETURNING uuid, attempt, started_at IS NOT NULL AS started, "
            "cancel_requested_at IS NOT NULL AS cancelled"
        )

    def claim(
        self,
        uuid: str,
        queue: str,
        text: str,
        attempt: int,
        started: bool,
        cancelled: bool,
    ) -> Claim:
        """Make the record of a claim.

        :param attempt: number of started runs, including this one if it is started.
        """
        before = attempt - 1 if started else attempt
        until_s = self.asked_at_s + self.lease_s
        return Claim(
            uuid,
            self.token,
            before,
            queue,
            text,
            bool(started),
            until_s,
            bool(cancelled),
        )
