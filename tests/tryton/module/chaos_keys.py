"""What the storms ask for with keys: events, and tasks that look at them."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

import time

from flask import request
from nereid import route
from trytond.model import Model
from trytond.pool import Pool

from nereid_async import async_task, current_task

#: The note of the records that are events.
EVENT = "event"
#: What stands before the ids of the events that a task has seen.
SEEN = "seen: "
#: What keys begin with whose waiting task is replaced.
REPLACE = "replace-"

#: Of so many runs, one fails at first.
_FAILS_ONE_OF = 4


class Keys(Model):
    "Events, and tasks with keys that look at them"

    __name__ = "async_test.chaos.keys"

    @async_task(max_attempts=1_000, retry_delay=0.2, key=lambda key, event, work_s: key)
    @classmethod
    def look(cls, key: str, event: int, work_s: float) -> None:
        """Look at all events of a key; what comes later is none of this run."""
        Record = Pool().get("async_test.record")
        seen = Record.search([("note", "=", EVENT), ("name", "like", f"{key} %")])
        time.sleep(work_s)
        if current_task.attempt == 1 and event % _FAILS_ONE_OF == 0:
            raise ValueError("the first attempt fails")
        ids = " ".join(str(record.id) for record in seen)
        Pool().get("async_test.entry").log(f"{SEEN}{ids}")

    @classmethod
    @route("/chaos/key", methods=["POST"])
    def ask(cls) -> str:
        """Let something happen, and ask for a look at it; commit that or not.

        The event names its key, the task that is to look, and whether that is new.
        """
        order = request.form
        key, delay_s = order["key"], float(order["delay_s"])
        (event,) = Pool().get("async_test.record").create([{"note": EVENT}])
        task = cls.look.configure(delay=delay_s)
        if key.startswith(REPLACE):
            task = task.configure(on_conflict="replace")
        result = task.defer(key, event.id, float(order["work_s"]))
        event.name = f"{key} {result.id} {'new' if result.is_new else 'waits'}"
        event.save()
        if order["way"] == "raise":
            raise RuntimeError("this has not happened")
        return "asked"
