"""Overrides of tasks by methods that do not know they are tasks."""

# The superclass is what the pool puts below: not known to mypy.
# mypy: disable-error-code="misc, metaclass"

from __future__ import annotations

from trytond.pool import PoolMeta


class Record(metaclass=PoolMeta):
    """Neither method has the decorator; both must stay deferrable."""

    __name__ = "async_test.record"

    @classmethod
    def overridden(cls, label: str) -> list[str]:
        return [*super().overridden(label), "override"]

    def overridden_instance(self, label: str) -> list[str]:
        return [*super().overridden_instance(label), "override"]
