"""The wizard that acts on all tasks that match, as a client drives it."""

from __future__ import annotations

from typing import Any

from trytond.pool import Pool
from trytond.transaction import Transaction

from tests.fixtures.scripts import Script
from tests.marks import once

#: A client sends all fields, whatever is in them.
NO_FILTER: dict[str, Any] = dict.fromkeys(
    (
        "status",
        "name",
        "queue",
        "key",
        "group_name",
        "caller",
        "since",
        "until",
        "failure",
        "last_id",
    )
)


class Wizard:
    """A session of the wizard; each step is a request of its own."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._wizard = Pool(database).get("async.task.act_on_many", type="wizard")
        with Transaction().start(database, 1):
            self._session, self.start, _ = self._wizard.create()

    def step(self, state: str, **data: Any) -> dict[str, Any]:
        """Press a button; the values that the next view begins with."""
        with Transaction().start(self._database, 1):
            view = self._wizard.execute(self._session, data, state)["view"]
        defaults: dict[str, Any] = view["defaults"]
        return defaults


@once
def test_it_asks_and_acts(script: Script) -> None:
    with script.transaction():
        for label in ("one", "two"):
            script.record.fail.defer(label)
        echo = script.record.echo.configure(delay=600)
        echo.configure(group="a").defer("later")
        kept = echo.configure(group="b").defer("later")
    script.burst()
    wizard = Wizard(script.database)
    assert wizard.step(wizard.start)["action"] == "retry"
    chosen = {**NO_FILTER, "action": "retry", "name": "record.FAIL"}
    asked = wizard.step("ask", choose=chosen)
    question = asked["text"]
    assert "2" in question and "async_test.record.fail" in question
    with script.transaction():
        script.record.fail.defer("after the question")
    script.burst()
    assert "2" in wizard.step("act", ask=asked)["text"]
    with Transaction().start(script.database, 1):
        Task = Pool().get("async.task")
        (left,) = Task.search([("status", "=", "failed")])
        assert left.failure == "ValueError: after the question"
        (later,) = Task.search([("status", "=", "scheduled"), ("group_name", "=", "a")])
        queue = later.queue
    chosen = {
        **NO_FILTER,
        "action": "cancel",
        "status": "scheduled",
        "queue": queue,
        "group_name": "a",
    }
    wizard.step("act", ask=wizard.step("ask", choose=chosen))
    with Transaction().start(script.database, 1):
        Task = Pool().get("async.task")
        assert Task(later.id).state == "cancelled"
        (left,) = Task.search([("uuid", "=", kept.id)])
        assert left.status == "scheduled"
