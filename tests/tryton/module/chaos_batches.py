"""What the storms ask for in batches, and what these call at their end."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

from flask import request
from nereid import route
from trytond.model import Model
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async import NereidAsync, async_task

from .chaos import FAILS, note

#: The note of the records that are batches.
BATCH = "batch"
#: What the label of a member begins with; the id of the batch follows.
MEMBER = "member of "
#: What the labels of callbacks begin with; the id of the batch follows, and how many of
#: its members were left.
THEN, ON_FAILURE = "then: ", "on failure: "


class Batches(Model):
    "Batches, and what they call"

    __name__ = "async_test.chaos.batches"

    @async_task(max_attempts=1_000)
    @classmethod
    def end(cls, what: str, batch_id: str) -> None:
        """Note the end of a batch, and how many members are left by then."""
        cursor = Transaction().connection.cursor()
        cursor.execute(
            "SELECT count(*) FROM async_task WHERE batch = %s "
            "AND state IN ('pending', 'sent', 'running')",
            [batch_id],
        )
        (left,) = cursor.fetchone()
        Pool().get("async_test.entry").log(f"{what}{batch_id} {left}")

    @classmethod
    @route("/chaos/batch", methods=["POST"])
    def ask(cls) -> str:
        """Ask for a batch; the ids of it and its members.

        One member has another one join, and one may fail for good.
        """
        order = request.form
        Chaos = Pool().get("async_test.chaos")
        begun, work_s, way = order["begun"], float(order["work_s"]), order["way"]
        results = []
        with NereidAsync.batch(order["label"]) as batch:
            for number in range(int(order["members"])):
                label = f"{MEMBER}{batch.id}: {number}"
                joined = number == 0
                results.append(Chaos.effect.defer(label, begun, work_s, chained=joined))
                note(label, results[-1])
            if way == "fails":
                label = f"{MEMBER}{batch.id}: fails"
                results.append(Chaos.raise_odd.defer(label, begun, "user"))
                note(f"{FAILS}{label}", results[-1])
            batch.then = cls.end.prepare(THEN, batch.id)
            batch.on_failure = cls.end.prepare(ON_FAILURE, batch.id)
        Record = Pool().get("async_test.record")
        Record.create([{"name": batch.id, "note": BATCH}])
        if way == "raise":
            raise RuntimeError("neither the batch nor its members are asked for")
        return " ".join([batch.id, *(result.id for result in results)])
