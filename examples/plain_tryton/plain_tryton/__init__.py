"""A Tryton module whose tasks are deferred by RPC, by a wizard and by cron."""

from __future__ import annotations

from trytond.pool import Pool

from . import count


def register() -> None:
    """Register the classes."""
    Pool.register(count.Count, count.Cron, module="plain_tryton", type_="model")
    Pool.register(count.CountAll, module="plain_tryton", type_="wizard")
