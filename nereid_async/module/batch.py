"""The table ``async.batch``: tasks that belong together, with one progress.

:mod:`nereid_async.rows.batches` writes the rows, in SQL. A member names its batch in
``async.task``; what has become of the members is counted while the batch is open.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sql.aggregate import Count
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from nereid_async.messages.outcome import State

from .indexes import create_indexes
from .progress_bar import progress_bar
from .timestamp import Timestamp

#: Icons of the clients.
_ICONS = {
    State.RUNNING.value: "tryton-launch",
    State.DONE.value: "tryton-ok",
    State.CANCELLED.value: "tryton-cancel",
}
_COUNTED = ("done", "failed", "cancelled")


class Batch(ModelSQL, ModelView):
    "Batch of Asynchronous Tasks"

    __name__ = "async.batch"
    __string__ = __doc__

    uuid = fields.Char("ID", required=True, readonly=True)
    name = fields.Char("Name", required=True, readonly=True)
    state = fields.Selection(
        [
            ("running", "Running"),
            ("done", "Done"),
            ("cancelled", "Cancelled"),
        ],
        "State",
        required=True,
        readonly=True,
        sort=False,
    )
    user = fields.Integer("User", readonly=True)
    cancellable = fields.Boolean(
        "Cancellable", readonly=True, help="Its owner may cancel it from the browser."
    )
    cancel_requested_at = fields.Timestamp("Cancelled at", readonly=True)
    then_message = fields.Text(
        "Call at its End", readonly=True, help="Deferred when no member is left."
    )
    failure_message = fields.Text(
        "Call after Failures",
        readonly=True,
        help="Deferred as well if a member has failed.",
    )
    done = fields.Integer("Done at its End", required=True, readonly=True)
    failed = fields.Integer("Failed at its End", required=True, readonly=True)
    cancelled = fields.Integer("Cancelled at its End", required=True, readonly=True)
    created_at = Timestamp("Deferred at", required=True, readonly=True)
    finished_at = Timestamp("Finished at", readonly=True)
    expires_at = fields.Timestamp(
        "Result readable until", readonly=True, help="In UTC."
    )

    caller = fields.Function(
        fields.Many2One("res.user", "Caller", help="Who has deferred it."),
        "get_caller",
    )
    icon = fields.Function(fields.Char("Icon"), "get_icon")
    progress = progress_bar("get_counts")
    total = fields.Function(
        fields.Integer("Tasks", help="Number of its members."), "get_counts"
    )
    number_done = fields.Function(fields.Integer("Done"), "get_counts")
    number_failed = fields.Function(fields.Integer("Failed"), "get_counts")
    number_cancelled = fields.Function(fields.Integer("Cancelled"), "get_counts")

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order.insert(0, ("id", "DESC"))
        cls._buttons.update(
            {"cancel": {"invisible": Eval("state") != "running", "depends": ["state"]}}
        )

    @classmethod
    @ModelView.button_action("async_sqs.wizard_cancel_batch")  # type: ignore[untyped-decorator]
    def cancel(cls, batches: list[Batch]) -> None:
        """Cancel the waiting members, and ask the running ones to stop."""

    @classmethod
    def __register__(cls, module_name: str) -> None:
        super().__register__(module_name)
        create_indexes(
            "CREATE UNIQUE INDEX IF NOT EXISTS async_batch_uuid ON async_batch (uuid)",
            "CREATE INDEX IF NOT EXISTS async_batch_open "
            "ON async_batch (id) WHERE state = 'running'",
            "CREATE INDEX IF NOT EXISTS async_batch_finished "
            "ON async_batch (finished_at) WHERE finished_at IS NOT NULL",
        )

    @classmethod
    def view_attributes(cls) -> list[tuple[Any, ...]]:
        state = Eval("state")
        muted = If(state == "cancelled", "muted", "")
        colour = If(Eval("number_failed", 0) > 0, "danger", muted)
        used = ["state", "number_failed"]
        return [*super().view_attributes(), ("/tree", "visual", colour, used)]

    def get_rec_name(self, name: str) -> str:
        return str(self.name)

    def get_caller(self, name: str) -> int | None:
        return self.user or None

    def get_icon(self, name: str) -> str:
        return _ICONS[self.state]

    @classmethod
    def get_counts(
        cls, batches: list[Batch], names: list[str]
    ) -> dict[str, dict[int, Any]]:
        """What has become of the members: as it is now, or was at the end."""
        open_ids = [it.uuid for it in batches if it.state == State.RUNNING]
        members = cls._members(open_ids)
        values: dict[str, dict[int, Any]] = {name: {} for name in names}
        for batch in batches:
            if batch.uuid in members:
                counts: dict[str, int] = members[batch.uuid]
            else:
                counts = {name: getattr(batch, name) or 0 for name in _COUNTED}
            total = sum(counts.values())
            ended = sum(counts.get(name, 0) for name in _COUNTED)
            told = {
                "total": total,
                "progress": ended / total if total else 1.0,
                **{f"number_{name}": counts.get(name, 0) for name in _COUNTED},
            }
            for name in names:
                values[name][batch.id] = told[name]
        return values

    @staticmethod
    def _members(batch_ids: list[str]) -> dict[str, dict[str, int]]:
        """Numbers of members by state, by the ids of open batches."""
        members: dict[str, dict[str, int]] = {it: defaultdict(int) for it in batch_ids}
        if not batch_ids:
            return members
        task = Pool().get("async.task").__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(
            *task.select(
                task.batch,
                task.state,
                Count(task.id),
                where=task.batch.in_(batch_ids),
                group_by=(task.batch, task.state),
            )
        )
        for batch_id, state, number in cursor.fetchall():
            members[batch_id][state] = number
        return members
