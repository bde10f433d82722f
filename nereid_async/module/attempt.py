"""The table ``async.attempt``: the errors of failed attempts."""

from __future__ import annotations

from trytond.model import ModelSQL, ModelView, fields

from .indexes import create_indexes


class Attempt(ModelSQL, ModelView):
    "Failed Attempt of an Asynchronous Task"

    __name__ = "async.attempt"
    __string__ = __doc__

    uuid = fields.Char("ID", required=True, readonly=True)
    number = fields.Integer(
        "Number", required=True, readonly=True, help="Of all that failed, from 1."
    )
    attempt = fields.Integer("Attempt", required=True, readonly=True)
    counted = fields.Boolean(
        "Counted",
        readonly=True,
        help="Not if the database cut the attempt short, or the task asked for that.",
    )
    failed_at = fields.Timestamp("Failed at", required=True, readonly=True)
    worker = fields.Char("Worker", readonly=True)
    error_type = fields.Char("Error", required=True, readonly=True)
    error_message = fields.Text("Message", readonly=True)
    error_id = fields.Char(
        "Error Number", readonly=True, help="As in the log and in answers to browsers."
    )
    traceback = fields.Text("Traceback", readonly=True)

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order = [("uuid", "ASC"), ("number", "DESC"), ("id", "DESC")]

    def get_rec_name(self, name: str) -> str:
        return f"{self.attempt}: {self.error_type}"

    @classmethod
    def failures_of(cls, uuids: list[str]) -> list[Attempt]:
        """The kept failed attempts of tasks, the latest of each first."""
        found: list[Attempt] = cls.search([("uuid", "in", uuids)])
        return found

    @classmethod
    def __register__(cls, module_name: str) -> None:
        super().__register__(module_name)
        create_indexes(
            "CREATE UNIQUE INDEX IF NOT EXISTS async_attempt_number "
            "ON async_attempt (uuid, number)",
        )
