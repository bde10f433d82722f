"""The table ``async.worker``: the worker processes, from their start to their end.

:mod:`nereid_async.rows.workers` writes the rows, in SQL.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from trytond.model import ModelSQL, ModelView, fields
from trytond.pyson import Eval, If

from nereid_async.rows.workers import DRAINING, LOST, LOST_AFTER_S, RUNNING

from . import shown_status
from .indexes import create_indexes
from .timestamp import Timestamp

#: Icons of the clients.
_ICONS = {
    RUNNING: "tryton-launch",
    DRAINING: "tryton-history",
    LOST: "tryton-error",
}
_STATES = [(RUNNING, "Running"), (DRAINING, "Draining")]


class Worker(ModelSQL, ModelView):
    "Worker Process of Asynchronous Tasks"

    __name__ = "async.worker"
    __string__ = __doc__

    uuid = fields.Char("ID", required=True, readonly=True)
    host = fields.Char("Host", required=True, readonly=True)
    pid = fields.Integer("PID", required=True, readonly=True)
    version = fields.Char("Version", readonly=True, help="Of nereid_async.")
    queues = fields.Char(
        "Queues",
        readonly=True,
        help="Those that it works on, with the threads that each of them has of its "
        "own; * is all others.",
    )
    threads = fields.Integer("Threads", required=True, readonly=True)
    busy = fields.Integer(
        "Busy", required=True, readonly=True, help="Threads that run a task."
    )
    state = fields.Selection(_STATES, "State", required=True, readonly=True, sort=False)
    started_at = Timestamp("Started at", required=True, readonly=True)
    heartbeat_at = Timestamp("Heartbeat at", required=True, readonly=True)

    status = fields.Function(
        fields.Selection(
            [*_STATES, (LOST, "Lost")],
            "Status",
            sort=False,
            help="Draining: it ends, and begins no more tasks. Lost: it has sent no "
            "heartbeat for 40 seconds, and has died or hangs.",
        ),
        "get_status",
    )
    icon = fields.Function(fields.Char("Icon"), "get_icon")

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order = [("host", "ASC"), ("pid", "ASC"), ("id", "ASC")]

    @classmethod
    def __register__(cls, module_name: str) -> None:
        super().__register__(module_name)
        create_indexes(
            "CREATE UNIQUE INDEX IF NOT EXISTS async_worker_uuid ON async_worker (uuid)"
        )

    @classmethod
    def view_attributes(cls) -> list[tuple[Any, ...]]:
        status = Eval("status")
        colour = If(status == LOST, "danger", If(status == DRAINING, "warning", ""))
        return [*super().view_attributes(), ("/tree", "visual", colour, ["status"])]

    def get_rec_name(self, name: str) -> str:
        return f"{self.host}:{self.pid}"

    def get_status(self, name: str) -> str:
        silent = shown_status.utc_now() - self.heartbeat_at
        is_lost = silent > dt.timedelta(seconds=LOST_AFTER_S)
        return LOST if is_lost else str(self.state)

    def get_icon(self, name: str) -> str:
        return _ICONS[self.status]


if __name__ == "__main__":
    raise SystemExit(
        "the worker of the old module was started in this way; this one is: "
        "nereid-async worker -c trytond.conf -d DATABASE"
    )
