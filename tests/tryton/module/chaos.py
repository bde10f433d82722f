"""What the storms ask for: a view of every way to commit, and tasks of every kind."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import request
from nereid import route
from trytond.model import Model
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async import AsyncResult, async_task, current_task

from . import odd
from .record import append_line

#: What stands before the label of a task that is to fail for good.
FAILS = "fails: "
#: What the label of a task begins with that is in a group, whose name is the word that
#: follows; in a queue that keeps the order, or in the default queue.
ORDERED, FAIR = "ordered-", "fair-"
ORDERED_QUEUE = "ordered.fifo"
#: For tasks that take for ever in their first attempt. Enough for the next one on a
#: loaded machine: each that fails doubles the delay, and the group waits meanwhile.
TIME_LIMIT_S = 2

_MEETING_S = 30


class Chaos(Model):
    "What the storms ask for"

    __name__ = "async_test.chaos"

    @async_task(max_attempts=1_000)
    @classmethod
    def effect(
        cls, label: str, begun: str, work_s: float, chained: bool = False
    ) -> None:
        """Say that it runs, work for a while, and have an effect meanwhile.

        :param chained: ask for another task besides, as the view does; of the same
            group and batch.
        """
        append_line(begun, label)
        time.sleep(work_s / 2)
        Pool().get("async_test.entry").log(label)
        if chained:
            chain = f"{label} chained"
            with current_task.join_batch():
                note(chain, in_group(cls.effect, chain).defer(chain, begun, work_s))
        time.sleep(work_s / 2)

    @async_task(max_attempts=1_000, ignore_result=False)
    @classmethod
    def raise_odd(cls, label: str, begun: str, kind: str) -> None:
        """Raise something: in the first attempt, or in each if that is final."""
        append_line(begun, label)
        Entry = Pool().get("async_test.entry")
        error = odd.FINAL.get(kind)
        if error is None and current_task.attempt == 1:
            error = odd.PASSING[kind]
        if error is not None:
            Entry.log(f"{label}, rolled back")
            raise error()
        Entry.log(label)

    @async_task(max_attempts=1_000, retry_delay=0.2, time_limit=TIME_LIMIT_S)
    @classmethod
    def overlong(cls, label: str, begun: str, kind: str) -> None:
        """Have an effect, and take too long besides in the first attempt."""
        append_line(begun, label)
        Pool().get("async_test.entry").log(label)
        if current_task.attempt == 1:
            OVERLONG[kind]()

    @async_task(max_attempts=1_000)
    @classmethod
    def meet(cls, met: str, number: int) -> None:
        """Take a thread until so many are taken at the same time, or for a while."""
        append_line(met, f"{current_task.id} {threading.get_native_id()}")
        deadline_s = time.monotonic() + _MEETING_S
        while len(Path(met).read_text().splitlines()) < number:
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.05)

    @classmethod
    @route("/chaos", methods=["POST"])
    def ask(cls) -> str:
        """Ask for tasks, and commit or not in one way or another.

        What commits leaves a record beside its row: that is what was asked for.
        """
        order = request.form
        label, way = order["label"], order["way"]

        results = []

        def ask(label: str) -> None:
            work_s, chained = float(order["work_s"]), way == "chain"
            task = in_group(cls.effect, label)
            result = task.defer(label, order["begun"], work_s, chained=chained)
            note(label, result)
            results.append(result.id)

        ask(label)
        if way == "several":
            for number in range(3):
                ask(f"{label} {number}")
        elif way in ("twice", "twice, then raise"):
            Transaction().commit()
            ask(f"{label} again")
        elif way in ("nested", "inner rolled back"):
            with Transaction().new_transaction() as inner:
                ask(f"{label} inner")
                if way == "inner rolled back":
                    inner.rollback()
        if way in ("nested", "twice, then raise", "raise"):
            raise RuntimeError("what is not committed by now is not asked for")
        return " ".join(results)

    @classmethod
    @route("/chaos/odd", methods=["POST"])
    def ask_for_odd(cls) -> str:
        """Ask for a task that raises something."""
        order = request.form
        label, kind = order["label"], order["kind"]
        task = cls.overlong if kind in OVERLONG else cls.raise_odd
        result = in_group(task, label).defer(label, order["begun"], kind)
        note(f"{FAILS}{label}" if kind in odd.FINAL else label, result)
        return "asked"

    @classmethod
    @route("/chaos/cancel", methods=["POST"])
    def cancel(cls) -> str:
        """Cancel a task, or a batch; the state in which it was found."""
        order = request.form
        interrupt = order["interrupt"] == "yes"
        found = AsyncResult(order["id"]).cancel(interrupt=interrupt)
        return found.value

    @classmethod
    @route("/chaos/meet", methods=["POST"])
    def ask_to_meet(cls) -> str:
        """Ask for tasks that wait for each other."""
        number = int(request.form["number"])
        for _ in range(number):
            cls.meet.defer(request.form["met"], number)
        return "asked"


def in_group(task: Any, label: str) -> Any:
    """A task as it is to be deferred with a label: in the group that this names."""
    group = label.partition(":")[0]
    if label.startswith(ORDERED):
        return task.configure(queue=ORDERED_QUEUE, group=group)
    return task.configure(group=group) if label.startswith(FAIR) else task


def note(label: str, result: AsyncResult) -> None:
    """Note, with the transaction, what was asked for."""
    Pool().get("async_test.record").create([{"name": f"{result.id} {label}"}])


def _work_for_ever() -> None:
    while True:
        pass


def _query_for_ever() -> None:
    Transaction().connection.cursor().execute("SELECT pg_sleep(3600)")


#: How to take too long: what an exception ends, what the end of the statement ends,
#: and what nothing ends but the end of the process.
OVERLONG: dict[str, Callable[[], None]] = {
    "busy": _work_for_ever,
    "query": _query_for_ever,
    "asleep": lambda: time.sleep(3_600),
}
