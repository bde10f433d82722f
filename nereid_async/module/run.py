"""The table ``async.run``: what changes while a task runs."""

from __future__ import annotations

from trytond.model import ModelSQL, fields

from .indexes import create_indexes


class Run(ModelSQL):
    "Run of an Asynchronous Task"

    __name__ = "async.run"
    __string__ = __doc__

    uuid = fields.Char("ID", required=True, readonly=True)
    token = fields.Char("Claim", required=True, readonly=True)
    worker = fields.Char("Worker", readonly=True)
    attempt = fields.Integer("Attempt", required=True, readonly=True)
    lease_until = fields.Timestamp("Lease until", readonly=True)
    started_at = fields.Timestamp("Started at", readonly=True)
    unknown_since = fields.Timestamp(
        "Unknown since", readonly=True, help="No worker has known the task since."
    )
    interruptions = fields.Integer(
        "Interruptions",
        readonly=True,
        help="How often the database has cut a run short.",
    )
    cancel_requested_at = fields.Timestamp(
        "Cancel requested at", readonly=True, help="In UTC."
    )
    interrupt = fields.Boolean(
        "Interrupt",
        readonly=True,
        help="The run that is to be cancelled is interrupted, if need be.",
    )
    progress_done = fields.Float("Done", readonly=True)
    progress_total = fields.Float("Of", readonly=True)
    progress_message = fields.Char("Message", readonly=True)

    @classmethod
    def __register__(cls, module_name: str) -> None:
        super().__register__(module_name)
        create_indexes(
            "CREATE UNIQUE INDEX IF NOT EXISTS async_run_uuid ON async_run (uuid)",
            "CREATE INDEX IF NOT EXISTS async_run_lease "
            "ON async_run (lease_until) WHERE lease_until IS NOT NULL",
        )
