"""Entries of Tryton's schedule that defer."""

# Tryton has no type information to subclass.
# mypy: disable-error-code="misc, metaclass"

from __future__ import annotations

from trytond.pool import PoolMeta


class Cron(metaclass=PoolMeta):
    """What may be chosen in an entry."""

    __name__ = "ir.cron"

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls.method.selection += [
            ("async_test.record|defer_nightly", "Defer a Task"),
            ("async_test.record|fail_nightly", "Fail"),
        ]
