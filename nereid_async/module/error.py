"""Errors of tasks among those that Tryton's users solve: ``ir.error``."""

from __future__ import annotations

from typing import Any

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import ModelView
from trytond.pool import Pool, PoolMeta

from nereid_async.retrying import key_waits, retry

from .acting import acting


class Error(metaclass=PoolMeta):
    __name__ = "ir.error"

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()  # type: ignore[misc]
        cls.origin.selection.append(("async.task", "Asynchronous Task"))

    @classmethod
    @ModelView.button  # type: ignore[untyped-decorator]
    def solve(cls, errors: list[Any]) -> None:
        """Let the tasks run again, as actions and tasks of trytond's own queue do."""
        Task = Pool().get("async.task")
        ids = [
            error.origin.uuid
            for error in errors
            if error.state == "processing" and isinstance(error.origin, Task)
        ]
        if ids:
            # Before this transaction writes: on SQLite one writes at a time.
            with acting() as runtime:
                retry(runtime, ids)
                for task, waiting in key_waits(runtime, ids).items():
                    raise UserError(
                        gettext("async_sqs.msg_key_waits", task=task, waiting=waiting)
                    )
        super().solve(errors)  # type: ignore[misc]
