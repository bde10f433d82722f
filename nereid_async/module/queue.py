"""The table ``async.queue``: queues with settings, such as a pause.

A queue needs no row here: it is only a name in tasks.
"""

from __future__ import annotations

from trytond.model import ModelSQL, fields

from .indexes import create_indexes


class Queue(ModelSQL):
    "Queue of Asynchronous Tasks"

    __name__ = "async.queue"
    __string__ = __doc__

    name = fields.Char(
        "Name", required=True, readonly=True, help="Its short name; * for all queues."
    )
    paused = fields.Boolean(
        "Paused", readonly=True, help="Workers take nothing from it."
    )
    paused_at = fields.Timestamp("Paused at", readonly=True, help="In UTC.")
    paused_by = fields.Many2One(
        "res.user", "Paused by", readonly=True, ondelete="SET NULL"
    )

    @classmethod
    def __register__(cls, module_name: str) -> None:
        super().__register__(module_name)
        create_indexes(
            "CREATE UNIQUE INDEX IF NOT EXISTS async_queue_name ON async_queue (name)"
        )
