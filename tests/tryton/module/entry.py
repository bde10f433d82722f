"""The log of effects: a row for everything a task did to the database."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

from typing import Any

from trytond.model import ModelSQL, ModelView, fields

from nereid_async import current_task


class Entry(ModelSQL, ModelView):
    "Effect of a Task"

    __name__ = "async_test.entry"

    task = fields.Char("Task", help="The id of the task that wrote the row, if any.")
    label = fields.Char("Label", required=True)

    @classmethod
    def log(cls, label: str) -> Any:
        """Write one row, from inside a task.

        :param label: what the tests look for.
        :return: the new record.
        """
        (entry,) = cls.create([{"task": str(current_task.id), "label": label}])
        return entry

    @classmethod
    def log_queued(cls, records: list[Any], label: str) -> None:
        """Write one row, called through Tryton's own queue: no task of ours."""
        cls.create([{"label": label}])

    @classmethod
    def bench(cls, records: list[Any], work: str, sent_at_s: float) -> None:
        """Do a benchmark's work, called through Tryton's own queue."""
        from benchmarks.contenders import work as works

        works.begin(sent_at_s)
        if work != "nothing":
            works.write()
