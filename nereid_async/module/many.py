"""Retry, cancel or run now all tasks that match a filter, however many they are.

The clients tell a wizard which records are selected, not what the list is filtered by:
so it has a filter of its own, which begins with what the selected tasks share.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.wizard import Button, StateView

from . import shown_status
from .acting import acting
from .actions import ACTIONS, Reporting, text_view
from .telling import by_name, counted

_CHUNK = 500
#: On which statuses each action has an effect.
STATUSES = {
    "retry": [shown_status.FAILED, shown_status.CANCELLED],
    "cancel": [shown_status.WAITING, shown_status.SCHEDULED, shown_status.RUNNING],
    "run_now": [shown_status.SCHEDULED],
}


class Filter(ModelView):
    "Filter of Asynchronous Tasks"

    __name__ = "async.task.filter"
    __string__ = __doc__

    action = fields.Selection(
        [("retry", "Retry"), ("cancel", "Cancel"), ("run_now", "Run now")],
        "Action",
        required=True,
        sort=False,
    )
    status = fields.Selection("get_statuses", "Status", sort=False)
    name = fields.Char("Task", help="A part of its name.")
    queue = fields.Char("Queue")
    key = fields.Char("Key")
    group_name = fields.Char("Group")
    caller = fields.Many2One("res.user", "Caller")
    since = fields.DateTime("Deferred since")
    until = fields.DateTime("Deferred until")
    failure = fields.Char("Error", help="A part of its text.")
    #: Tasks that are deferred after the question are left alone.
    last_id = fields.Integer("Last ID", readonly=True)

    @staticmethod
    def default_action() -> str:
        return "retry"

    @fields.depends("action")  # type: ignore[untyped-decorator]
    def get_statuses(self) -> list[tuple[str | None, str]]:
        effective = STATUSES.get(self.action, [])
        names = Pool().get("async.task").fields_get(["status"])["status"]["selection"]
        return [(None, ""), *(it for it in names if it[0] in effective)]

    @fields.depends("action", "status")  # type: ignore[untyped-decorator]
    def on_change_action(self) -> None:
        if self.status not in STATUSES.get(self.action, []):
            self.status = None

    def domain(self) -> list[Any]:
        """The domain of the tasks that match."""
        effective = STATUSES[self.action]
        chosen = [it for it in effective if it == self.status] or effective
        clauses = {
            ("name", "ilike"): self.name and f"%{self.name}%",
            ("queue", "="): self.queue,
            ("key", "="): self.key,
            ("group_name", "="): self.group_name,
            ("caller", "="): self.caller and self.caller.id,
            ("deferred_at", ">="): self.since,
            ("deferred_at", "<="): self.until,
            ("failure", "ilike"): self.failure and f"%{self.failure}%",
            ("id", "<="): self.last_id,
        }
        return [
            ("status", "in", chosen),
            *((*clause, value) for clause, value in clauses.items() if value),
        ]


class ActOnMany(Reporting):
    "Act on all Asynchronous Tasks that match"

    __name__ = "async.task.act_on_many"

    start_state = "choose"
    choose = StateView(
        "async.task.filter",
        "async_sqs.task_filter_form",
        [
            Button("Cancel", "end", "tryton-cancel"),
            Button("Next", "ask", "tryton-forward", default=True),
        ],
    )
    ask = text_view(
        Button("Cancel", "end", "tryton-cancel"),
        Button("Back", "choose", "tryton-back"),
        Button("OK", "act", "tryton-ok", default=True),
    )

    def default_choose(self, names: list[str]) -> dict[str, Any]:
        """What the user has chosen before, or what the selected tasks share."""
        if hasattr(self.choose, "action"):
            return {name: _plain(getattr(self.choose, name, None)) for name in names}
        if self.model is None or self.model.__name__ != "async.task":
            return {}
        shared: dict[str, Any] = {}
        for name in ("name", "queue", "status"):
            values = {getattr(task, name) for task in self.records}
            if len(values) == 1:
                shared[name] = values.pop()
        for action, statuses in STATUSES.items():
            if shared.get("status") in statuses:
                return {**shared, "action": action}
        return {**shared, "status": None}

    def default_ask(self, names: list[str]) -> dict[str, Any]:
        Task = Pool().get("async.task")
        self.choose.last_id = None
        tasks = Task.search(self.choose.domain())
        self.choose.last_id = max((task.id for task in tasks), default=0) or -1
        question = gettext(f"async_sqs.msg_ask_{self.choose.action}", count=len(tasks))
        return {"text": f"{question}\n\n{by_name(Counter(it.name for it in tasks))}"}

    def transition_act(self) -> str:
        Task = Pool().get("async.task")
        outcomes: Counter[str] = Counter()
        with acting() as runtime:
            for some in grouped_slice(Task.search(self.choose.domain()), _CHUNK):
                ids = [task.uuid for task in some]
                found = ACTIONS[self.choose.action](runtime, ids)
                outcomes.update(it.outcome for it in found.values())
        self.report.text = counted(outcomes) or gettext("async_sqs.msg_no_match")
        return "report"


def _plain(value: Any) -> Any:
    """A value as a client takes it: a record by its id."""
    return getattr(value, "id", value)
