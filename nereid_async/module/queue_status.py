"""Queues as administrators see them: how full they are, and whether they are paused."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sql import Literal, Null, Select
from sql.aggregate import Min, Sum
from sql.conditionals import Case
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from nereid_async.database import connections
from nereid_async.queue_selection import ALL_QUEUES
from nereid_async.rows.overview import OverviewRows
from nereid_async.rows.workers import LOST

from . import shown_status
from .acting import acting

_COUNTS = ("waiting", "scheduled", "running", "failed")


class QueueStatus(ModelSQL, ModelView):
    "Status of a Queue of Asynchronous Tasks"

    __name__ = "async.queue.status"
    __string__ = __doc__

    name = fields.Char(
        "Queue", readonly=True, help="* is all queues, those included that come later."
    )
    waiting = fields.Integer("Due", readonly=True, help="Tasks that wait for a worker.")
    scheduled = fields.Integer("Scheduled", readonly=True)
    running = fields.Integer("Running", readonly=True)
    failed = fields.Integer("Failed", readonly=True)
    rate = fields.Function(
        fields.Float(
            "Rate (/min)",
            digits=(16, 1),
            help="Tasks that finish a minute, over the last minutes.",
        ),
        "get_activity",
    )
    workers = fields.Function(
        fields.Integer("Workers", help="Processes that work on it."), "get_activity"
    )
    oldest_due_at = fields.Timestamp("Oldest due at", readonly=True)
    oldest = fields.Function(
        fields.TimeDelta("Oldest", help="How long its oldest task that is due waits."),
        "get_oldest",
    )
    paused = fields.Boolean("Paused", readonly=True)
    paused_at = fields.Timestamp("Paused at", readonly=True)
    paused_by = fields.Many2One("res.user", "Paused by", readonly=True)

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order = [("name", "ASC"), ("id", "ASC")]
        cls._buttons.update(
            {
                "pause": {"invisible": Eval("paused", False), "depends": ["paused"]},
                "resume": {"invisible": ~Eval("paused", False), "depends": ["paused"]},
            }
        )

    @classmethod
    def table_query(cls) -> Any:
        """Queues of tasks, those that have settings only, and all queues as one.

        Ids have to stay the same: twice that of a task, or an odd one.
        """
        pool = Pool()
        tasks = cls._counted()
        queue = pool.get("async.queue").__table__()
        task = pool.get("async.task").__table__()
        every = Select([Literal(ALL_QUEUES).as_("name")])
        none = {name: Literal(0) for name in _COUNTS}
        return (
            tasks.join(queue, "LEFT", queue.name == tasks.name).select(
                *cls._columns(
                    tasks.first_id * 2,
                    tasks.name,
                    queue,
                    {name: getattr(tasks, name) for name in _COUNTS},
                    tasks.oldest_due_at,
                )
            )
            | queue.select(
                *cls._columns(queue.id * 2 + 1, queue.name, queue, none, Null),
                where=(queue.name != ALL_QUEUES)
                & ~queue.name.in_(task.select(task.queue)),
            )
            | every.join(queue, "LEFT", queue.name == every.name).select(
                *cls._columns(Literal(1), every.name, queue, none, Null)
            )
        )

    @classmethod
    def _counted(cls) -> Any:
        """The tasks of each queue, counted by status."""
        task = Pool().get("async.task").__table__()
        now = shown_status.utc_now()
        not_started = task.state.in_(["pending", "sent"])
        conditions = {
            "waiting": not_started & (task.due_at <= now),
            "scheduled": not_started & (task.due_at > now),
            "running": task.state == "running",
            "failed": task.state == "failed",
        }
        due_at = Case((conditions["waiting"], task.due_at), else_=Null)
        return task.select(
            Min(task.id).as_("first_id"),
            task.queue.as_("name"),
            *(Sum(Case((conditions[name], 1), else_=0)).as_(name) for name in _COUNTS),
            Min(due_at).as_("oldest_due_at"),
            group_by=task.queue,
        )

    @classmethod
    def _columns(
        cls, id_: Any, name: Any, queue: Any, counts: dict[str, Any], oldest: Any
    ) -> list[Any]:
        values = {
            "id": id_,
            "name": name,
            "create_uid": Literal(0),
            "create_date": queue.create_date,
            "write_uid": Null,
            "write_date": Null,
            **counts,
            "oldest_due_at": oldest,
            "paused": queue.paused,
            "paused_at": queue.paused_at,
            "paused_by": queue.paused_by,
        }
        casts = {"write_uid", "write_date", "oldest_due_at"}
        return [
            (cls._fields[key].sql_cast(it) if key in casts else it).as_(key)
            for key, it in values.items()
        ]

    @classmethod
    def view_attributes(cls) -> list[tuple[Any, ...]]:
        colour = If(Eval("paused", False), "warning", "")
        return [*super().view_attributes(), ("/tree", "visual", colour, ["paused"])]

    def get_oldest(self, name: str) -> dt.timedelta | None:
        if self.oldest_due_at is None:
            return None
        seconds = (shown_status.utc_now() - self.oldest_due_at).total_seconds()
        return dt.timedelta(seconds=max(0, round(seconds)))

    @classmethod
    def get_activity(
        cls, queues: list[QueueStatus], names: list[str]
    ) -> dict[str, dict[int, float | None]]:
        """How fast their tasks finish, and how many processes work on them."""
        transaction = Transaction()
        cursor = connections.cursor_of(transaction)
        rows = OverviewRows(transaction.database.name)
        rates = rows.rates_by(cursor)
        alive = [it for it in rows.workers_by(cursor) if it.state != LOST]
        found: dict[str, dict[int, float | None]] = {name: {} for name in names}
        for queue in queues:
            is_one = queue.name != ALL_QUEUES
            values = {
                "rate": rates.get(queue.name, 0.0),
                "workers": sum(it.serves(queue.name) for it in alive),
            }
            for name in names:
                found[name][queue.id] = values[name] if is_one else None
        return found

    @classmethod
    @ModelView.button  # type: ignore[untyped-decorator]
    def pause(cls, queues: list[QueueStatus]) -> None:
        """Let workers take nothing more of queues."""
        names = [queue.name for queue in queues]
        with acting() as runtime:
            for name in names:
                runtime.needed_rows.pause(name, Transaction().user or None)

    @classmethod
    @ModelView.button  # type: ignore[untyped-decorator]
    def resume(cls, queues: list[QueueStatus]) -> None:
        """Let workers go on with queues."""
        names = [queue.name for queue in queues]
        with acting() as runtime:
            for name in names:
                runtime.needed_rows.resume(name)
