"""The Tryton module ``async_test_override``: extends a task, as other modules do."""

from __future__ import annotations

from trytond.pool import Pool

__all__ = ["register"]


def register() -> None:
    """Register the extension; called by trytond's pool."""
    from . import record

    Pool.register(record.Record, module="async_test_override", type_="model")
