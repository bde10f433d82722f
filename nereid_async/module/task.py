"""The tables: ``async.task``, with one row per deferred call, and those beside it.

``async.task`` and ``async.run`` are two tables because trytond runs PostgreSQL at
REPEATABLE READ: the last statement of a task's own transaction updates its row in
``async.task``, which fails if another transaction has changed the row meanwhile. So
what changes while a task runs (lease, progress) is in ``async.run``.
``async.attempt`` has one row per failed attempt.

:mod:`nereid_async.rows` writes the rows, in SQL; the classes here create the tables and
show them to administrators.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from trytond import backend
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from nereid_async.limits import PRIORITY_DEFAULT
from nereid_async.messages.outcome import State
from nereid_async.rows.unique import HAS_KEY

from . import data, shown_status
from .indexes import create_indexes
from .progress_bar import progress_bar


class _BigInteger(fields.Integer):
    """An integer of 64 bits."""

    _sql_type = "BIGINT"


class Task(ModelSQL, ModelView):
    "Asynchronous Task"

    __name__ = "async.task"
    __string__ = __doc__

    uuid = fields.Char("ID", required=True, readonly=True)
    name = fields.Char(
        "Task", required=True, readonly=True, help="The method or function that runs."
    )
    queue = fields.Char("Queue", required=True, readonly=True)
    priority = fields.Integer(
        "Priority",
        required=True,
        readonly=True,
        help="0 to 9; of the tasks of a queue that are due, 0 runs first.",
    )
    state = fields.Selection(
        [(state.value, state.value.capitalize()) for state in State],
        "State",
        required=True,
        readonly=True,
        sort=False,
    )
    web = fields.Boolean(
        "Needs the Web App", readonly=True, help="Deferred by a web request."
    )
    user = fields.Integer("User", readonly=True, help="The user as whom the task runs.")
    about = fields.Reference(
        "About",
        selection="get_models",
        readonly=True,
        help="The record whose method it calls, or that it is given.",
    )
    key = fields.Char(
        "Key",
        readonly=True,
        help="Of the tasks of this name with this key, one waits at a time.",
    )
    unique_key = fields.Char(
        "Unique Key",
        readonly=True,
        help="Digest of its name, its key, and its owner if it has one.",
    )
    unique_until = fields.Char(
        "Has its Key until", readonly=True, help="Its start or its finish."
    )
    group_name = fields.Char(
        "Group", readonly=True, help="Tasks of a group take turns, or run in order."
    )
    ordered_group = fields.Char(
        "Ordered Group",
        readonly=True,
        help="The group, in a queue that keeps its order.",
    )
    turn = _BigInteger(
        "Turn",
        readonly=True,
        help="Tasks with a group run in the order of their turns.",
    )
    batch = fields.Char("Batch ID", readonly=True)
    counts_at_start = fields.Boolean(
        "Counts at its Start",
        readonly=True,
        help="Its attempt is counted when it starts, not when it is claimed.",
    )
    due_at = fields.Timestamp(
        "Due at", required=True, readonly=True, help="Not run before (UTC)."
    )
    deferred_at = fields.Timestamp("Deferred at", required=True, readonly=True)
    send_at = fields.Timestamp(
        "Sent again at",
        readonly=True,
        help="Not sent to the queue service before (UTC): it has refused the task, or "
        "has got it lately.",
    )
    finished_at = fields.Timestamp("Finished at", readonly=True)
    message = fields.Text("Message", required=True, readonly=True)
    token = fields.Char(
        "Claim", readonly=True, help="Guards the finish of the run that holds it."
    )
    result = fields.Text("Result", readonly=True)
    error = fields.Text("Error", readonly=True)
    traceback = fields.Text("Traceback", readonly=True)
    expires_at = fields.Timestamp(
        "Result readable until", readonly=True, help="In UTC."
    )
    acknowledged = fields.Boolean("Result acknowledged", readonly=True)

    status = fields.Function(
        fields.Selection(shown_status.CHOICES, "Status", sort=False),
        "get_status",
        searcher="search_status",
    )
    icon = fields.Function(fields.Char("Icon"), "get_icon")
    caller = fields.Function(
        fields.Many2One("res.user", "Caller", help="The user as whom the task runs."),
        "get_caller",
        searcher="search_caller",
    )
    website_user = fields.Function(
        fields.Char("Website User", help="Who was logged in when it was deferred."),
        "get_website_user",
    )
    batch_of = fields.Function(
        fields.Many2One("async.batch", "Batch", help="The batch that it belongs to."),
        "get_batch_of",
        searcher="search_batch_of",
    )
    record = fields.Function(
        fields.Reference("Record", selection="get_models"),
        "get_record",
        searcher="search_record",
    )
    failure = fields.Function(
        fields.Text("Error"), "get_failure", searcher="search_failure"
    )
    attempts = fields.Function(
        fields.One2Many("async.attempt", None, "Failed Attempts", readonly=True),
        "get_attempts",
        setter="set_attempts",
    )
    waited = fields.Function(
        fields.TimeDelta("Waited", help="From its due time to its latest start."),
        "get_durations",
    )
    ran = fields.Function(
        fields.TimeDelta("Run Time", help="Of its latest attempt."), "get_durations"
    )

    arguments = fields.Function(
        fields.Text("Arguments", help="As they travel, decrypted."), "get_data"
    )
    returned = fields.Function(
        fields.Text("Result", help="As it is kept, decrypted."), "get_data"
    )

    attempt = fields.Function(fields.Integer("Attempt"), "get_run")
    worker = fields.Function(fields.Char("Worker"), "get_run")
    started_at = fields.Function(fields.Timestamp("Started at"), "get_run")
    lease_until = fields.Function(fields.Timestamp("Lease until"), "get_run")
    progress_message = fields.Function(fields.Char("Step"), "get_run")
    progress = progress_bar("get_progress")

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order.insert(0, ("id", "DESC"))
        status = Eval("status")
        may = {
            "retry": status.in_(["failed", "cancelled"]),
            "cancel": status.in_(["waiting", "scheduled", "running"]),
            "run_now": status == "scheduled",
        }
        cls._buttons.update(
            {
                name: {"invisible": ~condition, "depends": ["status"]}
                for name, condition in may.items()
            }
        )

    @classmethod
    @ModelView.button_action("async_sqs.wizard_retry")  # type: ignore[untyped-decorator]
    def retry(cls, tasks: list[Task]) -> None:
        """Let failed and cancelled tasks run again."""

    @classmethod
    @ModelView.button_action("async_sqs.wizard_cancel")  # type: ignore[untyped-decorator]
    def cancel(cls, tasks: list[Task]) -> None:
        """Cancel waiting tasks, and ask running ones to stop."""

    @classmethod
    @ModelView.button_action("async_sqs.wizard_run_now")  # type: ignore[untyped-decorator]
    def run_now(cls, tasks: list[Task]) -> None:
        """Let tasks run that are due later."""

    @classmethod
    def view_attributes(cls) -> list[tuple[Any, ...]]:
        status = Eval("status")
        colour = If(
            status == "failed",
            "danger",
            If(
                status == "running",
                "success",
                If(status == "cancelled", "muted", ""),
            ),
        )
        faultless = ~Eval("failure") & ~Eval("attempts", [])
        return [
            *super().view_attributes(),
            ("/tree", "visual", colour, ["status"]),
            # The form opens at its first page that is there.
            ("/form//page[@id='errors']", "states", {"invisible": faultless}),
        ]

    @classmethod
    def __register__(cls, module_name: str) -> None:
        cls._add_priority(module_name)
        super().__register__(module_name)
        cls._keep_default_priority()
        create_indexes(
            "CREATE UNIQUE INDEX IF NOT EXISTS async_task_uuid ON async_task (uuid)",
            "CREATE UNIQUE INDEX IF NOT EXISTS async_task_unique_key "
            f"ON async_task (unique_key) WHERE {HAS_KEY}",
            # What is due of a queue is read in the order in which it is taken, by
            # workers with the web app and by those without.
            "CREATE INDEX IF NOT EXISTS async_task_about "
            "ON async_task (about) WHERE about IS NOT NULL",
            "DROP INDEX IF EXISTS async_task_due",
            "DROP INDEX IF EXISTS async_task_waiting",
            "DROP INDEX IF EXISTS async_task_waiting_no_web",
            "DROP INDEX IF EXISTS async_task_ready",
            "DROP INDEX IF EXISTS async_task_ready_no_web",
            "CREATE INDEX IF NOT EXISTS async_task_next ON async_task "
            "(queue, priority, turn, due_at, id) WHERE state = 'pending'",
            "CREATE INDEX IF NOT EXISTS async_task_next_no_web ON async_task "
            "(queue, priority, turn, due_at, id) WHERE state = 'pending' AND NOT web",
            "CREATE INDEX IF NOT EXISTS async_task_turn ON async_task "
            "(queue, priority, group_name, turn) "
            "WHERE state = 'pending' AND turn IS NOT NULL",
            "CREATE INDEX IF NOT EXISTS async_task_ordered ON async_task "
            "(queue, ordered_group, id) WHERE ordered_group IS NOT NULL "
            "AND state IN ('pending', 'sent', 'running')",
            "CREATE UNIQUE INDEX IF NOT EXISTS async_task_one_of_group ON async_task "
            "(queue, ordered_group) WHERE ordered_group IS NOT NULL "
            "AND state = 'running'",
            "CREATE INDEX IF NOT EXISTS async_task_sent "
            "ON async_task (due_at) WHERE state = 'sent'",
            "CREATE INDEX IF NOT EXISTS async_task_result "
            "ON async_task (expires_at) WHERE result IS NOT NULL",
            "CREATE INDEX IF NOT EXISTS async_task_failed "
            "ON async_task (queue, id) WHERE state = 'failed'",
            # Whether members of a batch are left, and how many there are in each state.
            "CREATE INDEX IF NOT EXISTS async_task_batch "
            "ON async_task (batch, state) WHERE batch IS NOT NULL",
            "CREATE INDEX IF NOT EXISTS async_task_finished "
            "ON async_task (finished_at) WHERE finished_at IS NOT NULL",
        )

    @classmethod
    def _add_priority(cls, module_name: str) -> None:
        """Add the column with a default: an earlier release may still insert rows."""
        table = cls.__table_handler__(module_name)
        if not table.column_exist("priority"):
            Transaction().connection.cursor().execute(
                f"ALTER TABLE {cls._table} "
                f"ADD COLUMN priority INTEGER DEFAULT {PRIORITY_DEFAULT}"
            )

    @classmethod
    def _keep_default_priority(cls) -> None:
        # Tryton drops the default of every numeric column when it registers it.
        if backend.name == "postgresql":
            Transaction().connection.cursor().execute(
                f"ALTER TABLE {cls._table} "
                f"ALTER COLUMN priority SET DEFAULT {PRIORITY_DEFAULT}"
            )

    def get_rec_name(self, name: str) -> str:
        return f"{self.name} {self.uuid}"

    def get_status(self, name: str) -> str:
        return shown_status.of(self.state, self.due_at, shown_status.utc_now())

    @classmethod
    def search_status(cls, name: str, clause: tuple[Any, ...]) -> list[Any]:
        return shown_status.domain(clause[1], clause[2], shown_status.utc_now())

    def get_icon(self, name: str) -> str:
        return shown_status.ICONS[self.status]

    def get_caller(self, name: str) -> int | None:
        return self.user or None

    @classmethod
    def search_caller(cls, name: str, clause: tuple[Any, ...]) -> list[Any]:
        field, operator, value = clause[:3]
        if value is None:
            return ["OR", ("user", operator, None), ("user", operator, 0)]
        nested = field.partition(".")[2]
        if not nested:
            nested = "rec_name" if isinstance(value, str) else "id"
        with without_check_access():
            users = Pool().get("res.user").search([(nested, operator, value)])
        return [("user", "in", [user.id for user in users])]

    @classmethod
    def get_batch_of(cls, tasks: list[Task], name: str) -> dict[int, int | None]:
        uuids = {task.batch for task in tasks if task.batch}
        batches = Pool().get("async.batch").search([("uuid", "in", list(uuids))])
        id_of = {batch.uuid: batch.id for batch in batches}
        return {task.id: id_of.get(task.batch) for task in tasks}

    @classmethod
    def search_batch_of(cls, name: str, clause: tuple[Any, ...]) -> list[Any]:
        field, operator, value = clause[:3]
        if value is None:
            return [("batch", operator, None)]
        nested = field.partition(".")[2] or "rec_name"
        batches = Pool().get("async.batch").search([(nested, operator, value)])
        return [("batch", "in", [batch.uuid for batch in batches])]

    @classmethod
    def get_website_user(cls, tasks: list[Task], name: str) -> dict[int, str | None]:
        with without_check_access():
            rows = cls.browse([task.id for task in tasks])
            return {row.id: data.website_user(row) for row in rows}

    @staticmethod
    def get_models() -> list[tuple[str | None, str]]:
        return [(None, ""), *Pool().get("ir.model").get_name_items()]

    @classmethod
    def get_record(cls, tasks: list[Task], name: str) -> dict[int, str | None]:
        """The record that a task is about, as far as the user may read it."""
        return data.permitted({task.id: task.about for task in tasks})

    @classmethod
    def search_record(cls, name: str, clause: tuple[Any, ...]) -> list[Any]:
        nested = clause[0].partition(".")[1:]
        return [("about" + "".join(nested), *clause[1:])]

    def get_failure(self, name: str) -> str:
        return data.failure(self.error)

    @classmethod
    def search_failure(cls, name: str, clause: tuple[Any, ...]) -> list[Any]:
        return [("error", *clause[1:])]

    @classmethod
    def get_attempts(cls, tasks: list[Task], name: str) -> dict[int, list[int]]:
        id_of = {task.uuid: task.id for task in tasks}
        found: dict[int, list[int]] = {task.id: [] for task in tasks}
        for attempt in Pool().get("async.attempt").failures_of(list(id_of)):
            found[id_of[attempt.uuid]].append(attempt.id)
        return found

    @classmethod
    def set_attempts(cls, tasks: list[Task], name: str, value: Any) -> None:
        """Do nothing: workers write attempts. Tryton 8.0 asks for a setter."""

    @classmethod
    def get_durations(
        cls, tasks: list[Task], names: list[str]
    ) -> dict[str, dict[int, dt.timedelta | None]]:
        now = shown_status.utc_now()
        read = {"waited": shown_status.waited, "ran": shown_status.ran}
        return {
            name: {task.id: read[name](task, now) for task in tasks} for name in names
        }

    @classmethod
    def get_progress(cls, tasks: list[Task], name: str) -> dict[int, float | None]:
        """The part that is done, from 0 to 1; None if that is not known."""
        values = cls._run_columns(tasks, ["progress_done", "progress_total"])
        shares: dict[int, float | None] = {}
        for task in tasks:
            done = values["progress_done"][task.id]
            total = values["progress_total"][task.id]
            known = done is not None and total
            shares[task.id] = max(0.0, min(1.0, done / total)) if known else None
        return shares

    @classmethod
    def get_data(cls, tasks: list[Task], names: list[str]) -> dict[str, dict[int, str]]:
        """What a task was given, and what it gave back, as text."""
        readers = {"arguments": data.arguments, "returned": data.returned}
        with without_check_access():
            rows = cls.browse([task.id for task in tasks])
            return {
                name: {row.id: data.shown(readers[name], row) for row in rows}
                for name in names
            }

    @classmethod
    def get_run(cls, tasks: list[Task], names: list[str]) -> dict[str, dict[int, Any]]:
        return cls._run_columns(tasks, names)

    @classmethod
    def _run_columns(
        cls, tasks: list[Task], names: list[str]
    ) -> dict[str, dict[int, Any]]:
        cursor = Transaction().connection.cursor()
        run = Pool().get("async.run").__table__()
        values: dict[str, dict[int, Any]] = {
            name: {task.id: None for task in tasks} for name in names
        }
        id_of = {task.uuid: task.id for task in tasks}
        columns = [getattr(run, name) for name in names]
        cursor.execute(*run.select(run.uuid, *columns, where=run.uuid.in_(list(id_of))))
        for uuid, *row in cursor.fetchall():
            for name, value in zip(names, row, strict=True):
                values[name][id_of[uuid]] = value
        return values
