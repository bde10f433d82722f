"""The Tryton module ``async_test``: tasks and views for the tests to drive."""

from __future__ import annotations

from importlib.util import find_spec

from trytond.pool import Pool

__all__ = ["register"]


def register() -> None:
    """Register models, report and wizard; called by trytond's pool."""
    from . import cron, entry, record, report, wizard

    Pool.register(
        cron.Cron,
        entry.Entry,
        record.Record,
        module="async_test",
        type_="model",
    )
    Pool.register(
        report.YearReport,
        report.MyBigReport,
        module="async_test",
        type_="report",
    )
    Pool.register(wizard.YearWizard, module="async_test", type_="wizard")
    if find_spec("nereid"):
        _register_views()


def _register_views() -> None:
    from . import chaos, chaos_batches, chaos_keys, views

    Pool.register(
        chaos.Chaos,
        chaos_batches.Batches,
        chaos_keys.Keys,
        views.Web,
        module="async_test",
        type_="model",
        depends=["nereid_base"],
    )
