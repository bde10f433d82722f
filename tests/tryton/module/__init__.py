"""The Tryton module ``async_test``: tasks and views for the tests to drive."""

from __future__ import annotations

from trytond.pool import Pool

__all__ = ["register"]


def register() -> None:
    """Register models, report and wizard; called by trytond's pool."""
    from . import chaos, cron, entry, record, report, views, wizard

    Pool.register(
        chaos.Chaos,
        cron.Cron,
        entry.Entry,
        record.Record,
        views.Web,
        module="async_test",
        type_="model",
    )
    Pool.register(report.YearReport, module="async_test", type_="report")
    Pool.register(wizard.YearWizard, module="async_test", type_="wizard")
