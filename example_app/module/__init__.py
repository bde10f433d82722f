"""The Tryton module ``example_shop``: the shop's models, each with its views."""

from __future__ import annotations

from trytond.pool import Pool

__all__ = ["register"]


def register() -> None:
    """Register the models; called by trytond when it starts its pool."""
    from . import back_office, contact, report, sale, website

    Pool.register(
        contact.Contact,
        sale.Sale,
        report.SalesReport,
        back_office.BackOffice,
        website.WebSite,
        module="example_shop",
        type_="model",
    )
