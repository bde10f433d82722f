"""A report whose building is a task: task owners need not be models."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

from trytond.report import Report

from nereid_async import async_task


class YearReport(Report):
    "Report with a task"

    __name__ = "async_test.report"

    @async_task(ignore_result=False)
    @classmethod
    def build(cls, year: int) -> list[object]:
        """Give back what it was called with, and on what."""
        return [cls.__name__, year]

    @classmethod
    @async_task(ignore_result=False)
    def build_below(cls, year: int) -> list[object]:
        """The same, with the decorators in the other order."""
        return [cls.__name__, year]
