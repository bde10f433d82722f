"""Statements of runners: from the start of an attempt to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..database import connections
from ..errors import LeaseLost
from ..messages.outcome import Outcome, Progress, State
from ..messages.serialization import dumps
from ..texts import storable
from .attempts import AttemptRows
from .records import CancelRequest, Claim, FailedAttempt


class RunRows(AttemptRows):
    """Marks, extends and ends runs, guarded by the token of the claim."""

    def start(self, claim: Claim, worker: str) -> None:
        """Count an attempt, in a transaction that survives a killed worker.

        :raises LeaseLost: another run has the task by now.
        """
        # Waits for a locked SQLite file: the task itself has no transaction yet.
        with connections.autocommit(self.database) as cursor:
            self._start(cursor, claim, worker, "")
            if cursor.rowcount != 1:
                raise LeaseLost(f"task {claim.id}: another worker has it")

    def start_first(
        self, cursor: connections.Cursor, claim: Claim, worker: str
    ) -> None:
        """Count an attempt as the first statement of a PostgreSQL transaction.

        The same round trip commits it and begins a new transaction (COMMIT AND CHAIN).
        """
        self._start(cursor, claim, worker, "; COMMIT AND CHAIN")

    def _start(
        self, cursor: connections.Cursor, claim: Claim, worker: str, then: str
    ) -> None:
        # No indexed column changes, so that PostgreSQL keeps the new version of the
        # row on its page (a "heap-only tuple").
        self.execute(
            cursor,
            "UPDATE async_run SET attempt = {p}, worker = {p}, started_at = {now}, "
            "progress_done = NULL, progress_total = NULL, progress_message = NULL "
            "WHERE uuid = {p} AND token = {p}" + then,
            [claim.attempt + 1, worker, claim.id, claim.token],
            durable=False,
        )

    def extend(
        self, claims: Iterable[Claim], lease_s: float
    ) -> dict[str, CancelRequest | None]:
        """Extend leases by ``lease_s`` seconds from now (the heartbeat).

        :returns: by the ids of the tasks whose claims still hold, the request to stop
            the run, if there is one.
        """
        held = {claim.id: claim.token for claim in claims}
        if not held:
            return {}
        pairs = " OR ".join(["(uuid = {p} AND token = {p})"] * len(held))
        parameters: list[Any] = [lease_s]
        for uuid, token in held.items():
            parameters += [uuid, token]
        with connections.autocommit(self.database, wait=False) as cursor:
            self.execute(
                cursor,
                f"UPDATE async_run SET lease_until = {{later}} WHERE {pairs} "
                "RETURNING uuid, cancel_requested_at, interrupt",
                parameters,
                durable=False,
            )
            return {uuid: CancelRequest.of(*asked) for uuid, *asked in cursor}

    def report(self, claim: Claim, progress: Progress) -> CancelRequest | None:
        """Write the progress of a running task; return the request to stop, if any."""
        with connections.autocommit(self.database, wait=False) as cursor:
            self.execute(
                cursor,
                "UPDATE async_run SET progress_done = {p}, progress_total = {p}, "
                "progress_message = {p} WHERE uuid = {p} AND token = {p} "
                "RETURNING cancel_requested_at, interrupt",
                [
                    progress.done,
                    progress.total,
                    progress.message,
                    claim.id,
                    claim.token,
                ],
                durable=False,
            )
            return _request(cursor)

    def cancel_request(self, claim: Claim) -> CancelRequest | None:
        """Read the request to stop the run; None if there is none."""
        with connections.autocommit(self.database, wait=False) as cursor:
            self.execute(
                cursor,
                "SELECT cancel_requested_at, interrupt FROM async_run "
                "WHERE uuid = {p} AND token = {p}",
                [claim.id, claim.token],
            )
            return _request(cursor)

    def finish(
        self,
        cursor: connections.Cursor,
        claim: Claim,
        outcome: Outcome,
        ttl_s: float,
        *,
        keep: bool = True,
    ) -> None:
        """Write the outcome through the cursor of the task's own transaction.

        :param ttl_s: how long the outcome stays readable, in seconds.
        :param keep: whether the value is kept besides the state.
        :raises LeaseLost: another run has the task by now; the caller must roll back.
        """
        failure = outcome.failure
        self.execute(
            cursor,
            "UPDATE async_task SET state = {p}, result = {p}, error = {p}, "
            "traceback = {p}, finished_at = {now}, expires_at = {later} "
            "WHERE uuid = {p} AND token = {p} AND state = 'running'",
            [
                outcome.state.value,
                self._kept(claim, outcome) if keep and failure is None else None,
                dumps(failure.as_json()) if failure else None,
                storable(failure.traceback) if failure else None,
                ttl_s,
                claim.id,
                claim.token,
            ],
        )
        if cursor.rowcount != 1:
            raise LeaseLost(
                f"task {claim.id}: another worker has it; this run is rolled back"
            )
        self._wake_group(cursor, claim.queue)

    def finish_apart(
        self,
        claim: Claim,
        outcome: Outcome,
        ttl_s: float,
        failed: FailedAttempt | None = None,
    ) -> None:
        """Write the outcome of a failed task in a transaction of its own.

        :param ttl_s: how long the outcome stays readable, in seconds.
        :param failed: the attempt that has failed; None if none was started.
        :raises LeaseLost: another run has the task by now.
        """
        with connections.transaction(self.database) as cursor:
            self.finish(cursor, claim, outcome, ttl_s)
            if failed is not None:
                self._keep(cursor, claim, failed)

    def cancelled(self, claim: Claim) -> None:
        """Cancel a running task whose run has stopped and was rolled back.

        :raises LeaseLost: another run has the task by now.
        """
        mine = "uuid = {p} AND token = {p} AND state = 'running'"
        with connections.transaction(self.database) as cursor:
            if not self._cancel(cursor, mine, [claim.id, claim.token]):
                raise LeaseLost(f"task {claim.id}: another worker has it")
            self._wake_group(cursor, claim.queue)

    def release(
        self,
        claim: Claim,
        state: State,
        delay_s: float | None,
        attempts: int,
        failed: FailedAttempt | None = None,
    ) -> bool:
        """Let the task be claimed again, or cancel it if its run was asked to stop.

        :param state: its state from now on: ``pending`` or ``sent``.
        :param delay_s: delay in seconds; None for at once, with its old due time.
        :param attempts: number of attempts that count from now on.
        :param failed: the attempt that has failed; None if none was started.
        :returns: False if it was cancelled.
        :raises LeaseLost: another run has the task by now.
        """
        # With a delay it goes by its due time.
        due = "" if delay_s is None else ", due_at = {later}, turn = NULL"
        delays_s = [] if delay_s is None else [delay_s]
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task "
                f"SET state = {{p}}, token = NULL, send_at = NULL{due} "
                "WHERE uuid = {p} AND token = {p} AND state = 'running'",
                [state.value, *delays_s, claim.id, claim.token],
            )
            if cursor.rowcount != 1:
                raise LeaseLost(f"task {claim.id}: another worker has it")
            if failed is not None:
                self._keep(cursor, claim, failed)
            known = failed is not None
            if self._end_run(cursor, claim, attempts, known=known) is not None:
                self._cancel(cursor, "uuid = {p}", [claim.id])
                self._wake_group(cursor, claim.queue)
                return False
            if state is State.PENDING:
                # Workers that wait for the next due row do not know this one.
                self._wake_workers(cursor)
            return True

    def _end_run(
        self, cursor: connections.Cursor, claim: Claim, attempts: int, *, known: bool
    ) -> CancelRequest | None:
        """End the lease; return the request to stop the run, if there is one.

        :param known: whether a worker knew the task: `unknown_since` starts over.
        """
        also = "unknown_since = NULL, " if known else ""
        self.execute(
            cursor,
            f"UPDATE async_run SET {also}lease_until = NULL, attempt = {{p}} "
            "WHERE uuid = {p} RETURNING cancel_requested_at, interrupt",
            [attempts, claim.id],
        )
        return _request(cursor)

    def interrupted(self, claim: Claim) -> int:
        """Count an interruption of the run; return their number.

        :raises LeaseLost: another run has the task by now.
        """
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_run SET interruptions = COALESCE(interruptions, 0) + 1, "
                "unknown_since = NULL WHERE uuid = {p} AND token = {p} "
                "RETURNING interruptions",
                [claim.id, claim.token],
            )
            row = cursor.fetchone()
        if row is None:
            raise LeaseLost(f"task {claim.id}: another worker has it")
        return int(row[0])

    def free_in_s(self, task_id: str) -> float | None:
        """Seconds until a task can be claimed: until it is due, or its lease is over.

        None if it has finished.
        """
        to_lease = self._seconds_between("{now}", "r.lease_until")
        to_due = self._seconds_between("{now}", "t.due_at")
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                f"SELECT CASE WHEN t.state = 'running' THEN {to_lease} "
                f"ELSE {to_due} END FROM async_task t "
                "LEFT JOIN async_run r ON r.uuid = t.uuid "
                "WHERE t.uuid = {p} AND t.state IN ('pending', 'sent', 'running')",
                [task_id],
            )
            row = cursor.fetchone()
        return None if row is None else max(0.0, float(row[0] or 0))

    def unknown_for_s(self, claim: Claim) -> float:
        """Note that this worker cannot run the task.

        :returns: for how many seconds no worker could.
        """
        seconds = self._seconds_between("unknown_since", "{now}")
        with connections.transaction(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_run SET unknown_since = COALESCE(unknown_since, {now}) "
                "WHERE uuid = {p} AND token = {p}",
                [claim.id, claim.token],
            )
            self.execute(
                cursor,
                f"SELECT {seconds} FROM async_run WHERE uuid = {{p}}",
                [claim.id],
            )
            row = cursor.fetchone()
        return 0.0 if row is None or row[0] is None else float(row[0])

    def _kept(self, claim: Claim, outcome: Outcome) -> str:
        return dumps(self._outcomes.to_json(claim.id, outcome))


def _request(cursor: connections.Cursor) -> CancelRequest | None:
    """The request in the one run that was read or changed, if there is one."""
    rows = cursor.fetchall()
    return CancelRequest.of(*rows[0]) if rows else None
