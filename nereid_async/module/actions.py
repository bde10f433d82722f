"""What operators do with tasks: retry, cancel, and run at once.

Each is a wizard: it asks, acts, and tells what happened to each task. It writes as the
commands do, on connections of its own: the row protocol allows no other way.
"""

from __future__ import annotations

from typing import Any

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.wizard import Button, StateTransition, StateView, Wizard

from nereid_async.cancelling import cancel
from nereid_async.messages.outcome import State
from nereid_async.retrying import retry
from nereid_async.runtime import Runtime

from .acting import acting


class Action(ModelView):
    "Action on Asynchronous Tasks"

    __name__ = "async.task.action"

    text = fields.Text("Tasks", readonly=True)


class _Action(Wizard):
    """Asks, acts, and tells what happened; subclasses act."""

    start_state = "ask"
    ask = StateView(
        "async.task.action",
        "async_sqs.task_action_form",
        [
            Button("Cancel", "end", "tryton-cancel"),
            Button("OK", "act", "tryton-ok", default=True),
        ],
    )
    act = StateTransition()
    report = StateView(
        "async.task.action",
        "async_sqs.task_action_form",
        [Button("Close", "end", "tryton-close", default=True)],
    )

    #: Message that asks; it has a ``count``.
    question = ""

    def default_ask(self, fields: list[str]) -> dict[str, Any]:
        question = gettext(f"async_sqs.{self.question}", count=len(self.records))
        names = [task.rec_name for task in self.records]
        return {"text": "\n".join([question, "", *names])}

    def transition_act(self) -> str:
        ids = [task.uuid for task in self.records]
        with acting() as runtime:
            found = self.act_on(runtime, ids)
        self.report.text = "\n".join(
            gettext(f"async_sqs.{found[task.uuid]}", task=task.rec_name)
            for task in self.records
        )
        return "report"

    def default_report(self, fields: list[str]) -> dict[str, Any]:
        return {"text": self.report.text}

    def end(self) -> str:
        return "reload"

    def act_on(self, runtime: Runtime, ids: list[str]) -> dict[str, str]:
        """Act on tasks; return a message for each."""
        raise NotImplementedError


class Retry(_Action):
    "Retry Asynchronous Tasks"

    __name__ = "async.task.retry"

    question = "msg_ask_retry"

    def act_on(self, runtime: Runtime, ids: list[str]) -> dict[str, str]:
        again = retry(runtime, ids)
        return {
            it: "msg_runs_again" if it in again else "msg_not_finished" for it in ids
        }


class Cancel(_Action):
    "Cancel Asynchronous Tasks"

    __name__ = "async.task.cancel"

    question = "msg_ask_cancel"

    def act_on(self, runtime: Runtime, ids: list[str]) -> dict[str, str]:
        return {it: self._told(cancel(runtime, it)) for it in ids}

    def _told(self, found: State | None) -> str:
        if found is None:
            return "msg_no_task"
        if found.waiting:
            return "msg_cancelled"
        return "msg_to_stop" if found is State.RUNNING else "msg_finished"


class RunNow(_Action):
    "Run Asynchronous Tasks now"

    __name__ = "async.task.run_now"

    question = "msg_ask_run_now"

    def act_on(self, runtime: Runtime, ids: list[str]) -> dict[str, str]:
        due = runtime.needed_rows.make_due(ids)
        return {it: "msg_due" if it in due else "msg_not_scheduled" for it in ids}
