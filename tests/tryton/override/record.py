"""Overrides of tasks by methods that do not know they are tasks."""

# The superclass is what the pool puts below: not known to mypy.
# mypy: disable-error-code="misc, metaclass"

from __future__ import annotations

from typing import Any

from trytond.pool import PoolMeta


class Record(metaclass=PoolMeta):
    """No method has the decorator; all must stay deferrable."""

    __name__ = "async_test.record"

    @classmethod
    def overridden(cls, label: str) -> list[str]:
        return [*super().overridden(label), "override"]

    @classmethod
    def overridden_below(cls, label: str) -> list[str]:
        return [*super().overridden_below(label), "override"]

    @classmethod
    def defer_below(cls, value: int) -> Any:
        """Defer what the superclass has."""
        return super().below.defer(value)

    def overridden_instance(self, label: str) -> list[str]:
        return [*super().overridden_instance(label), "override"]
