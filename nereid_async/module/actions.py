"""What operators do with tasks: retry, cancel, and run at once.

Each is a wizard: it asks, acts, and tells what happened to each task. It writes as the
commands do, on connections of its own: the row protocol allows no other way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.wizard import Button, StateTransition, StateView, Wizard

from nereid_async.cancelling import cancel
from nereid_async.messages.outcome import State
from nereid_async.retrying import key_waits, retry
from nereid_async.runtime import Runtime

from .acting import acting
from .telling import Became, told


class Action(ModelView):
    "Action on Asynchronous Tasks"

    __name__ = "async.task.action"
    __string__ = __doc__

    text = fields.Text("Tasks", readonly=True)


def text_view(*buttons: Button) -> StateView:
    """A view that shows a text."""
    return StateView("async.task.action", "async_sqs.task_action_form", list(buttons))


class Reporting(Wizard):
    """Acts, and tells what happened; subclasses ask first, and act."""

    act = StateTransition()
    report = text_view(Button("Close", "end", "tryton-close", default=True))

    def default_report(self, fields: list[str]) -> dict[str, Any]:
        return {"text": self.report.text}

    def end(self) -> str:
        return "reload"


class _Action(Reporting):
    """Acts on the chosen tasks; subclasses say how."""

    start_state = "ask"
    ask = text_view(
        Button("Cancel", "end", "tryton-cancel"),
        Button("OK", "act", "tryton-ok", default=True),
    )

    #: Its name in ``ACTIONS``.
    name = ""
    #: The message that asks; None for the one of the action.
    question: str | None = None

    def default_ask(self, fields: list[str]) -> dict[str, Any]:
        message = self.question or f"async_sqs.msg_ask_{self.name}"
        question = gettext(message, count=len(self.records))
        names = [task.rec_name for task in self.records]
        return {"text": "\n".join([question, "", *names])}

    def transition_act(self) -> str:
        names = {task.uuid: task.rec_name for task in self.records}
        with acting() as runtime:
            found = ACTIONS[self.name](runtime, list(names))
        self.report.text = told(found, names)
        return "report"


class Retry(_Action):
    "Retry Asynchronous Tasks"

    __name__ = "async.task.retry"
    name = "retry"


class Cancel(_Action):
    "Cancel Asynchronous Tasks"

    __name__ = "async.task.cancel"
    name = "cancel"


class CancelBatch(_Action):
    "Cancel Batches of Asynchronous Tasks"

    __name__ = "async.batch.cancel"
    name = "cancel"
    question = "async_sqs.msg_ask_cancel_batch"


class RunNow(_Action):
    "Run Asynchronous Tasks now"

    __name__ = "async.task.run_now"
    name = "run_now"


def _retry(runtime: Runtime, ids: list[str]) -> dict[str, Became]:
    again = set(retry(runtime, ids))
    waiting = key_waits(runtime, [it for it in ids if it not in again])
    return {
        it: Became("key_waits", waiting[it])
        if it in waiting
        else Became("runs_again" if it in again else "not_finished")
        for it in ids
    }


def _cancel(runtime: Runtime, ids: list[str]) -> dict[str, Became]:
    return {it: Became(_cancelled(cancel(runtime, it))) for it in ids}


def _cancelled(found: State | None) -> str:
    if found is None:
        return "no_task"
    if found.waiting:
        return "cancelled"
    return "to_stop" if found is State.RUNNING else "finished"


def _run_now(runtime: Runtime, ids: list[str]) -> dict[str, Became]:
    due = set(runtime.needed_rows.make_due(ids))
    return {it: Became("due" if it in due else "not_scheduled") for it in ids}


#: Acts on tasks, by their ids; returns what became of each.
ACTIONS: dict[str, Callable[[Runtime, list[str]], dict[str, Became]]] = {
    "retry": _retry,
    "cancel": _cancel,
    "run_now": _run_now,
}
