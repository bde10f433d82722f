"""The row protocol: every statement on ``async_task`` and ``async_run``.

``async_task`` is the outbox, the guard that makes effects single, and the result
store; ``async_run`` holds what changes while a task runs. A claim writes a fresh
token; only the run that holds it can finish, and it does so in its own transaction,
with the last statement before the commit. So however often a message is delivered,
one run commits. All times are UTC by the database's own clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trytond import backend

from . import side
from .errors import LeaseLost
from .message import Message
from .results.base import Failure, Outcome, Progress, Status
from .serialization import dumps, loads
from .states import State

#: PostgreSQL channel on which new rows are announced.
CHANNEL = "async_sqs"

#: SQLite takes 32,766 parameters a statement.
_ROWS_A_STATEMENT = 1_000


@dataclass(frozen=True)
class Row:
    """A row to be written: the message and its signed text."""

    message: Message
    text: str


@dataclass(frozen=True)
class UnsentRow:
    """A committed row that the queue service does not have."""

    id: str
    queue: str
    text: str
    due_in_s: float


@dataclass(frozen=True)
class Claim:
    """A task taken for one run.

    :ivar token: guards the finish.
    :ivar attempt: how many runs were started before.
    """

    id: str
    token: str
    attempt: int
    queue: str = ""
    text: str = ""


@dataclass(frozen=True)
class _Dialect:
    placeholder: str
    now: str
    later: str
    skip_locked: str


_DIALECTS = {
    "postgresql": _Dialect(
        placeholder="%s",
        now="(clock_timestamp() AT TIME ZONE 'UTC')",
        later="(clock_timestamp() AT TIME ZONE 'UTC' + %s * INTERVAL '1 second')",
        skip_locked="FOR UPDATE SKIP LOCKED",
    ),
    "sqlite": _Dialect(
        placeholder="?",
        now="strftime('%Y-%m-%d %H:%M:%f', 'now')",
        later="strftime('%Y-%m-%d %H:%M:%f', 'now', ? || ' seconds')",
        skip_locked="",
    ),
}


class TaskRows:
    """The rows of one database. Thread-safe; survives a fork.

    :param database: the database's name.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        self._dialect = _DIALECTS[backend.name]

    # -- the asker -----------------------------------------------------------------

    def insert(self, cursor: side.Cursor, rows: Sequence[Row], notify: bool) -> None:
        """Write rows through the cursor of the asker's transaction: one statement.

        :param notify: wake the workers of this database at the commit.
        """
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            self._insert(cursor, rows[start : start + _ROWS_A_STATEMENT], notify)

    def _insert(self, cursor: side.Cursor, rows: Sequence[Row], notify: bool) -> None:
        values = ", ".join(
            ["({p}, {p}, {p}, {p}, 'pending', {p}, {now}, {now}, {later}, {p})"]
            * len(rows)
        )
        parameters: list[Any] = []
        for row in rows:
            message = row.message
            parameters += [
                message.id,
                message.target.name,
                message.queue,
                message.web is not None,
                message.user,
                message.delay_s,
                row.text,
            ]
        statement = (
            "INSERT INTO async_task (uuid, name, queue, web, state, {user}, "
            "create_date, deferred_at, due_at, message) VALUES " + values
        )
        if notify and backend.name == "postgresql":
            statement += f'; NOTIFY "{CHANNEL}"'
        self._execute(cursor, statement, parameters)

    def insert_apart(self, rows: Sequence[Row], notify: bool) -> None:
        """Write rows in a transaction of their own."""
        with side.transaction(self.database) as cursor:
            self.insert(cursor, rows, notify)

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Note that the queue service has confirmed these messages."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET state = 'sent' WHERE id IN (SELECT id "
                f"FROM async_task WHERE uuid IN ({_list(ids)}) "
                "AND state = 'pending' {skip_locked}) AND state = 'pending'",
                ids,
            )

    def unsent(
        self, limit: int, patience_s: float, horizon_s: float
    ) -> list[UnsentRow]:
        """Rows that should have been sent by now.

        :param patience_s: how long their own process is left to send them.
        :param horizon_s: how far ahead of its due time a row can be sent.
        """
        due_in_s = self._seconds_between("{now}", "due_at")
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                f"SELECT uuid, queue, message, {due_in_s} FROM async_task "
                "WHERE state = 'pending' AND due_at <= {later} "
                "AND deferred_at <= {later} ORDER BY due_at LIMIT {p}",
                [horizon_s, -patience_s, limit],
            )
            return [
                UnsentRow(uuid, queue, text, max(0.0, float(seconds)))
                for uuid, queue, text, seconds in cursor.fetchall()
            ]

    # -- the worker ----------------------------------------------------------------

    def claim_due(
        self, queues: Sequence[str], limit: int, lease_s: float, web: bool
    ) -> list[Claim]:
        """Take due rows for one run each, oldest first.

        :param web: whether tasks that need the web app are taken, too.
        """
        token = secrets.token_hex(16)
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET state = 'running', token = {p} WHERE id IN "
                "(SELECT id FROM async_task WHERE state = 'pending' "
                f"AND queue IN ({_list(queues)}) AND due_at <= {{now}} "
                f"{'' if web else 'AND NOT web '}"
                "ORDER BY due_at, id LIMIT {p} {skip_locked}) "
                "RETURNING uuid, queue, message",
                [token, *queues, limit],
            )
            taken = {uuid: (queue, text) for uuid, queue, text in cursor.fetchall()}
            attempts = self._open_runs(cursor, list(taken), token, lease_s)
        return [
            Claim(uuid, token, attempts[uuid], queue, text)
            for uuid, (queue, text) in taken.items()
        ]

    def claim_expired(
        self, queues: Sequence[str], limit: int, lease_s: float, web: bool
    ) -> list[Claim]:
        """Take over running tasks whose worker gave no sign of life."""
        token = secrets.token_hex(16)
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_run SET token = {p}, lease_until = {later} WHERE id IN "
                "(SELECT r.id FROM async_run r JOIN async_task t ON t.uuid = r.uuid "
                f"WHERE r.lease_until < {{now}} AND t.queue IN ({_list(queues)}) "
                f"{'' if web else 'AND NOT t.web '}"
                "ORDER BY r.lease_until LIMIT {p} {skip_locked_run}) "
                "RETURNING uuid, attempt",
                [token, lease_s, *queues, limit],
            )
            attempts = dict(cursor.fetchall())
            return self._take_over(cursor, attempts, token)

    def claim_ids(self, ids: Sequence[str], lease_s: float) -> dict[str, Claim]:
        """Take the tasks of messages that were received; those that can be taken.

        A task can be taken while nobody runs it, or if its run's lease is over.
        """
        token = secrets.token_hex(16)
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET state = 'running', token = {p} "
                f"WHERE uuid IN ({_list(ids)}) AND state IN ('pending', 'sent') "
                "RETURNING uuid, queue, message",
                [token, *ids],
            )
            taken = {uuid: (queue, text) for uuid, queue, text in cursor.fetchall()}
            attempts = self._open_runs(cursor, list(taken), token, lease_s)
            claims = [
                Claim(uuid, token, attempts[uuid], queue, text)
                for uuid, (queue, text) in taken.items()
            ]
            rest = [uuid for uuid in ids if uuid not in taken]
            if rest:
                self._execute(
                    cursor,
                    "UPDATE async_run SET token = {p}, lease_until = {later} "
                    f"WHERE uuid IN ({_list(rest)}) AND lease_until < {{now}} "
                    "RETURNING uuid, attempt",
                    [token, lease_s, *rest],
                )
                claims += self._take_over(cursor, dict(cursor.fetchall()), token)
        return {claim.id: claim for claim in claims}

    def _open_runs(
        self, cursor: side.Cursor, ids: Sequence[str], token: str, lease_s: float
    ) -> dict[str, int]:
        if not ids:
            return {}
        values = ", ".join(["({p}, {p}, 0, {later}, {now})"] * len(ids))
        parameters: list[Any] = []
        for uuid in ids:
            parameters += [uuid, token, lease_s]
        self._execute(
            cursor,
            "INSERT INTO async_run (uuid, token, attempt, lease_until, create_date) "
            f"VALUES {values} ON CONFLICT (uuid) DO UPDATE SET "
            "token = excluded.token, lease_until = excluded.lease_until "
            "RETURNING uuid, attempt",
            parameters,
        )
        return dict(cursor.fetchall())

    def _take_over(
        self, cursor: side.Cursor, attempts: dict[str, int], token: str
    ) -> list[Claim]:
        if not attempts:
            return []
        ids = list(attempts)
        self._execute(
            cursor,
            "UPDATE async_task SET token = {p} "
            f"WHERE uuid IN ({_list(ids)}) AND state = 'running' "
            "RETURNING uuid, queue, message",
            [token, *ids],
        )
        claims = [
            Claim(uuid, token, attempts[uuid], queue, text)
            for uuid, queue, text in cursor.fetchall()
        ]
        over = set(ids) - {claim.id for claim in claims}
        if over:
            # Finished long ago: their leases just ran out.
            self._execute(
                cursor,
                "UPDATE async_run SET lease_until = NULL "
                f"WHERE uuid IN ({_list(over)})",
                list(over),
            )
        return claims

    def start(self, claim: Claim, worker: str, lease_s: float) -> None:
        """Count an attempt; what a kill undoes afterwards, this survives."""
        with side.autocommit(self.database, wait=False) as cursor:
            self._execute(
                cursor,
                "UPDATE async_run SET attempt = {p}, worker = {p}, started_at = {now}, "
                "lease_until = {later}, progress_done = NULL, progress_total = NULL, "
                "progress_message = NULL WHERE uuid = {p} AND token = {p}",
                [claim.attempt + 1, worker, lease_s, claim.id, claim.token],
            )

    def extend(self, claims: Iterable[Claim], lease_s: float) -> set[str]:
        """Give a sign of life; returns the ids whose claim still holds."""
        held = {claim.id: claim.token for claim in claims}
        if not held:
            return set()
        pairs = " OR ".join(["(uuid = {p} AND token = {p})"] * len(held))
        parameters: list[Any] = [lease_s]
        for uuid, token in held.items():
            parameters += [uuid, token]
        with side.autocommit(self.database, wait=False) as cursor:
            self._execute(
                cursor,
                f"UPDATE async_run SET lease_until = {{later}} WHERE {pairs} "
                "RETURNING uuid",
                parameters,
            )
            return {uuid for (uuid,) in cursor.fetchall()}

    def report(self, claim: Claim, progress: Progress) -> None:
        """Note how far a running task says it is."""
        with side.autocommit(self.database, wait=False) as cursor:
            self._execute(
                cursor,
                "UPDATE async_run SET progress_done = {p}, progress_total = {p}, "
                "progress_message = {p} WHERE uuid = {p} AND token = {p}",
                [
                    progress.done,
                    progress.total,
                    progress.message,
                    claim.id,
                    claim.token,
                ],
            )

    def finish(
        self,
        cursor: side.Cursor,
        claim: Claim,
        outcome: Outcome,
        ttl_s: float,
        *,
        keep: bool = True,
    ) -> None:
        """Write the outcome through the cursor of the task's own transaction.

        :param keep: whether the value is kept besides the state.
        :raises LeaseLost: another run has the task by now; roll back.
        """
        failure = outcome.failure
        self._execute(
            cursor,
            "UPDATE async_task SET state = {p}, result = {p}, error = {p}, "
            "traceback = {p}, finished_at = {now}, expires_at = {later} "
            "WHERE uuid = {p} AND token = {p} AND state = 'running'",
            [
                outcome.state.value,
                outcome_text(outcome) if keep and failure is None else None,
                dumps(failure.as_json()) if failure else None,
                _storable(failure.traceback) if failure else None,
                ttl_s,
                claim.id,
                claim.token,
            ],
        )
        if cursor.rowcount != 1:
            raise LeaseLost(
                f"task {claim.id}: another worker has it; this run is rolled back"
            )

    def finish_apart(self, claim: Claim, outcome: Outcome, ttl_s: float) -> None:
        """Write the outcome of a task that failed, in a transaction of its own.

        :raises LeaseLost: another run has the task by now.
        """
        with side.transaction(self.database) as cursor:
            self.finish(cursor, claim, outcome, ttl_s)

    def release(
        self, claim: Claim, state: State, delay_s: float, attempts: int
    ) -> None:
        """Let the task run again in ``delay_s`` seconds.

        :param attempts: how many attempts count from now on.
        :raises LeaseLost: another run has the task by now.
        """
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET state = {p}, token = NULL, due_at = {later} "
                "WHERE uuid = {p} AND token = {p} AND state = 'running'",
                [state.value, delay_s, claim.id, claim.token],
            )
            if cursor.rowcount != 1:
                raise LeaseLost(f"task {claim.id}: another worker has it")
            self._execute(
                cursor,
                "UPDATE async_run SET lease_until = NULL, attempt = {p} "
                "WHERE uuid = {p}",
                [attempts, claim.id],
            )

    def unknown_for_s(self, claim: Claim) -> float:
        """Note that this worker does not know the task; for how long none has."""
        seconds = self._seconds_between("unknown_since", "{now}")
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_run SET unknown_since = COALESCE(unknown_since, {now}) "
                "WHERE uuid = {p} AND token = {p}",
                [claim.id, claim.token],
            )
            self._execute(
                cursor,
                f"SELECT {seconds} FROM async_run WHERE uuid = {{p}}",
                [claim.id],
            )
            row = cursor.fetchone()
        return 0.0 if row is None or row[0] is None else float(row[0])

    def _seconds_between(self, earlier: str, later: str) -> str:
        if backend.name == "postgresql":
            return f"EXTRACT(EPOCH FROM {later} - {earlier})"
        return f"(julianday({later}) - julianday({earlier})) * 86400.0"

    def next_due_s(self, queues: Sequence[str], web: bool) -> float | None:
        """Seconds until a pending row falls due; None if there is none."""
        seconds = self._seconds_between("{now}", "min(due_at)")
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                f"SELECT {seconds} FROM async_task WHERE state = 'pending' "
                f"AND queue IN ({_list(queues)})" + ("" if web else " AND NOT web"),
                queues,
            )
            (value,) = cursor.fetchone()
        return None if value is None else max(0.0, float(value))

    def unfinished(self, queues: Sequence[str]) -> int:
        """How many tasks of these queues are still to end."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "SELECT count(*) FROM async_task WHERE state IN "
                f"('pending', 'sent', 'running') AND queue IN ({_list(queues)})",
                queues,
            )
            (count,) = cursor.fetchone()
        return int(count)

    # -- the reader ----------------------------------------------------------------

    def status(self, task_id: str) -> Status | None:
        """Tell where a task stands; one read."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "SELECT t.state, t.result, t.error, t.traceback, "
                "CASE WHEN t.acknowledged OR t.expires_at < {now} THEN 1 ELSE 0 END, "
                "r.progress_done, r.progress_total, r.progress_message "
                "FROM async_task t LEFT JOIN async_run r ON r.uuid = t.uuid "
                "WHERE t.uuid = {p}",
                [task_id],
            )
            row = cursor.fetchone()
        return None if row is None else _status(*row)

    def acknowledge(self, task_id: str) -> None:
        """Note that the asker has the outcome, and drop it."""
        with side.autocommit(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET acknowledged = {true}, result = NULL "
                "WHERE uuid = {p} AND state IN ('done', 'failed')",
                [task_id],
            )

    def reap(self, row_ttl_s: float, limit: int) -> int:
        """Remove old rows, and results whose time is over; returns how many.

        :param row_ttl_s: how long rows of finished tasks are kept.
        :param limit: most rows touched by each statement.
        """
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "DELETE FROM async_task WHERE id IN (SELECT id FROM async_task "
                "WHERE finished_at < {later} LIMIT {p} {skip_locked}) RETURNING uuid",
                [-row_ttl_s, limit],
            )
            gone = [uuid for (uuid,) in cursor.fetchall()]
            if gone:
                self._execute(
                    cursor,
                    f"DELETE FROM async_run WHERE uuid IN ({_list(gone)})",
                    gone,
                )
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET result = NULL WHERE id IN (SELECT id "
                "FROM async_task WHERE result IS NOT NULL AND expires_at < {now} "
                "LIMIT {p} {skip_locked})",
                [limit],
            )
            return len(gone) + int(cursor.rowcount)

    def retry_failed(self, ids: Sequence[str]) -> list[str]:
        """Let failed tasks run again, as if they were new; returns their ids."""
        with side.transaction(self.database) as cursor:
            self._execute(
                cursor,
                "UPDATE async_task SET state = 'pending', token = NULL, error = NULL, "
                "traceback = NULL, finished_at = NULL, expires_at = NULL, "
                "acknowledged = NULL, due_at = {now} "
                f"WHERE uuid IN ({_list(ids)}) AND state = 'failed' RETURNING uuid",
                ids,
            )
            again = [uuid for (uuid,) in cursor.fetchall()]
            if again:
                self._execute(
                    cursor,
                    "UPDATE async_run SET attempt = 0, lease_until = NULL, "
                    f"unknown_since = NULL WHERE uuid IN ({_list(again)})",
                    again,
                )
            if again and backend.name == "postgresql":
                cursor.execute(f'NOTIFY "{CHANNEL}"')
        return again

    def count_by_state(self) -> dict[str, int]:
        """How many rows there are in each state."""
        with side.autocommit(self.database) as cursor:
            cursor.execute("SELECT state, count(*) FROM async_task GROUP BY state")
            counts = dict(cursor.fetchall())
        return {state.value: int(counts.get(state.value, 0)) for state in State}

    def _execute(
        self, cursor: side.Cursor, statement: str, parameters: Sequence[Any]
    ) -> None:
        dialect = self._dialect
        skip_locked = dialect.skip_locked
        cursor.execute(
            statement.format(
                p=dialect.placeholder,
                now=dialect.now,
                later=dialect.later,
                skip_locked=skip_locked,
                skip_locked_run=skip_locked.replace("UPDATE", "UPDATE OF r"),
                user='"user"',
                true="true",
            ),
            list(parameters),
        )


def outcome_text(outcome: Outcome) -> str:
    """How a row keeps an outcome."""
    return dumps(outcome.as_json())


def _status(
    state: str,
    result: str | None,
    error: str | None,
    traceback: str | None,
    gone: int,
    done: float | None,
    total: float | None,
    text: str | None,
) -> Status:
    progress = None if done is None else Progress(done, total, text)
    where = State(state)
    if not where.finished:
        return Status(where, progress)
    if gone:
        return Status(where, gone=True)
    if error is not None:
        failure = Failure(**loads(error), traceback=traceback or "")
        return Status(where, outcome=Outcome(failure=failure))
    outcome = Outcome() if result is None else Outcome.from_json(loads(result))
    return Status(where, outcome=outcome)


def _list(values: Iterable[Any]) -> str:
    return ", ".join("{p}" for _ in values)


def _storable(text: str) -> str:
    # PostgreSQL's text takes neither NUL nor lone surrogates.
    return (
        text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    )
