"""Reports whose building is a task: task owners need not be models."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

from trytond.modules.async_sqs import async_task as old_async_task
from trytond.pool import Pool
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


class MyBigReport(Report):
    """The one in the README of the old module, with its import and its decorators."""

    __name__ = "report.bigreport"

    @old_async_task()
    @classmethod
    def expensive_method(cls, arg1: int, arg2: int) -> int:
        Pool().get("async_test.entry").log(f"{arg1} {arg2}")
        return arg1 + arg2

    @old_async_task(ignore_result=False)
    @classmethod
    def expensive_result(cls, arg1: int, arg2: int) -> int:
        return arg1 * arg2
