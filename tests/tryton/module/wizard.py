"""A wizard with a task: task owners need not be models."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

from trytond.wizard import StateTransition, Wizard

from nereid_async import async_task


class YearWizard(Wizard):
    "Wizard with a task"

    __name__ = "async_test.wizard"

    start = StateTransition()

    def transition_start(self) -> str:
        return "end"

    @async_task(ignore_result=False)
    @classmethod
    def close_year(cls, year: int) -> list[object]:
        """Give back what it was called with, and on what."""
        return [cls.__name__, year]

    @classmethod
    @async_task(ignore_result=False)
    def close_year_below(cls, year: int) -> list[object]:
        """The same, with the decorators in the other order."""
        return [cls.__name__, year]
