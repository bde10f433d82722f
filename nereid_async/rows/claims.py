"""The poller's statements: taking tasks, so that one worker has each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trytond import backend

from ..database import connections
from ..errors import DatabaseUnavailable
from ..messages.outcome import State
from . import due
from .records import Claim, Starts
from .statements import Statements, params

#: How many leases are ended at a time.
_LEASES_A_STATEMENT = 10_000


class ClaimRows(Statements):
    """Claims tasks; a claim is committed before its task starts.

    It need not be durable before the task is: a crash that loses a claim ends the run,
    and the task can be taken anew.

    What is chosen is materialised: PostgreSQL may evaluate a plain subquery once for
    each row, and with SKIP LOCKED that takes more rows each time, beyond its limit.
    """

    def claim_due(
        self, queues: Sequence[str], limit: int, lease_s: float, web: bool
    ) -> list[Claim]:
        """Take due rows for one run each, the oldest of each queue first.

        :param web: whether tasks that need the web app are taken, too.
        """
        expressions, parameters = due.chosen(queues, limit, web)
        return self._take(
            expressions, "id IN (SELECT id FROM due)", parameters, lease_s
        )

    def claim_ids(
        self,
        ids: Sequence[str],
        lease_s: float,
        starts: Starts | None = None,
    ) -> dict[str, Claim]:
        """Take the tasks of messages that were received; those that can be taken.

        A task can be taken when it is due and nobody runs it, or if its run's lease
        is over.

        :param starts: which of the claims are the mark of the start as well, and save
            it.
        """
        claims = self._take_ids(ids, lease_s, starts)
        rest = [uuid for uuid in ids if uuid not in claims]
        if rest:
            try:
                freed = self._free(f"AND r.uuid IN ({params(rest)}) ", rest, State.SENT)
                if freed:
                    claims |= self._take_ids(freed, lease_s, starts)
            except DatabaseUnavailable:
                # What has been taken has to be run.
                if not claims:
                    raise
        return claims

    def _take_ids(
        self, ids: Sequence[str], lease_s: float, starts: Starts | None
    ) -> dict[str, Claim]:
        claims = self._take(
            [],
            f"uuid IN ({params(ids)}) AND state IN ('pending', 'sent') "
            "AND due_at <= {now}",
            ids,
            lease_s,
            starts,
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
        """Take rows and open a run for each.

        :param chosen: common table expressions that the condition refers to, or none.
        :param parameters: of ``chosen``, or of the condition if there is none.
        """
        opening = _Opening(secrets.token_hex(16), lease_s, starts)
        take = (
            "UPDATE async_task SET state = 'running', token = {p} "
            f"WHERE {condition} RETURNING uuid, queue, message"
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
                    "SELECT t.uuid, t.queue, t.message, o.attempt, o.started "
                    "FROM taken t JOIN opened o ON o.uuid = t.uuid",
                    [*parameters, *opening.parameters],
                    durable=False,
                )
                return [opening.claim(*row) for row in cursor.fetchall()]
        with connections.transaction(self.database) as cursor:
            before = f"WITH {', '.join(chosen)} " if chosen else ""
            self.execute(cursor, before + take, parameters)
            taken = cursor.fetchall()
            if not taken:
                return []
            values = ", ".join([f"({{p}}, {opening.values})"] * len(taken))
            self.execute(
                cursor,
                opening.insert(f"VALUES {values}"),
                [it for uuid, _, _ in taken for it in (uuid, *opening.parameters)],
            )
            runs = {uuid: run for uuid, *run in cursor.fetchall()}
            return [
                opening.claim(uuid, queue, text, *runs[uuid])
                for uuid, queue, text in taken
            ]

    def free_expired(self) -> int:
        """Let tasks wait again whose worker gave no sign of life; returns how many.

        Their attempts stay counted, and they have their old place in their queues.
        """
        return len(self._free("", [], State.PENDING))

    def _free(self, condition: str, ids: Sequence[str], state: State) -> list[str]:
        """End runs whose lease is over; returns the ids of their tasks.

        Nothing that such a run writes later has an effect, not its heartbeat either.

        :param condition: on which of them, with its ids.
        :param state: that of a task which waits.
        """
        with connections.transaction(self.database, durable=False) as cursor:
            self.execute(
                cursor,
                "WITH over AS MATERIALIZED (SELECT r.id FROM async_run r "
                "JOIN async_task t ON t.uuid = r.uuid AND t.state = 'running' "
                f"WHERE r.lease_until < {{now}} {condition}"
                # Both rows: one that is about to finish is left alone.
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
        """Seconds until a pending row falls due; None if there is none."""
        seconds = self._seconds_between("{now}", "due_at")
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT {seconds} FROM ({due.first_due(queues, web)}) first",
                queues,
            )
            (value,) = cursor.fetchone()
        return None if value is None else max(0.0, float(value))


@dataclass(frozen=True)
class _Opening:
    """How runs are opened: claimed, or claimed and started."""

    token: str
    lease_s: float
    starts: Starts | None
    asked_at_s: float = field(default_factory=time.monotonic)

    @property
    def values(self) -> str:
        """What follows the task's id in a row of :meth:`insert`."""
        if self.starts is None:
            return "{p}, {later}, {now}, 0, NULL, NULL"
        return "{p}, {later}, {now}, 1, {p}, {now}"

    @property
    def parameters(self) -> list[Any]:
        """Those of :attr:`values`."""
        worker = [] if self.starts is None else [self.starts.worker]
        return [self.token, self.lease_s, *worker]

    def insert(self, rows: str) -> str:
        """The statement, for rows of ids and :attr:`values`; returns attempts.

        There is a run already if the task has been given back.
        """
        changes = (
            "token = excluded.token, lease_until = excluded.lease_until, "
            "progress_done = NULL, progress_total = NULL, progress_message = NULL, "
        )
        if self.starts is not None and self.starts.again:
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
            "RETURNING uuid, attempt, started_at IS NOT NULL AS started"
        )

    def claim(
        self, uuid: str, queue: str, text: str, attempt: int, started: bool
    ) -> Claim:
        """The claim on a row that was taken.

        :param attempt: how many runs were started, this one included if it is.
        """
        before = attempt - 1 if started else attempt
        until_s = self.asked_at_s + self.lease_s
        return Claim(uuid, self.token, before, queue, text, bool(started), until_s)
