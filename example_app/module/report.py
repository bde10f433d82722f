"""The sales report: some seconds of work, started and shown by the browser."""

from __future__ import annotations

import datetime
import time
from decimal import Decimal
from typing import Any

from nereid import current_website, jsonify, request, route
from trytond.config import config
from trytond.model import Model
from trytond.pool import Pool

from nereid_async import async_task, current_task

from .back_office import list_task


class SalesReport(Model):
    "Sales Report"

    __name__ = "example.sales_report"

    @classmethod
    def years(cls) -> list[int]:
        """The years in which something was sold, the latest first."""
        Sale = Pool().get("example.sale")
        order = [("date", "ASC")], [("date", "DESC")]
        first, last = (Sale.search([], order=by, limit=1) for by in order)
        if not first:
            return []
        return list(range(last[0].date.year, first[0].date.year - 1, -1))

    @classmethod
    @route("/report", methods=["POST"])
    def request_report(cls) -> Any:
        """Defer the report for the form field ``year``, by default the latest."""
        years = cls.years()
        wanted = request.form.get("year", str(years[0]) if years else "")
        if wanted not in map(str, years):
            known = ", ".join(map(str, years)) or "none"
            answer = jsonify(error=f"No sales in the year {wanted!r}. Years: {known}.")
            answer.status_code = 400
            return answer
        result = cls.build.defer(int(wanted))
        if result.is_new:
            list_task(result, f"Sales report {wanted}", cancel=True)
        answer = jsonify(id=result.id, url=result.url)
        answer.status_code = 202
        answer.headers["Location"] = result.url
        return answer

    @classmethod
    @async_task(
        ignore_result=False,
        max_attempts=3,
        cancellable=True,
        # Of two clicks, one is enough.
        key=True,
        unique_until="finish",
    )
    def build(cls, year: int) -> dict[str, Any]:
        """Add up a year's sales by month and product.

        :param year: four digits.
        :return: ``year``, ``currency`` (its ISO code), ``products``, ``total``,
            ``previous_total`` and ``months``, a list of ``month`` (its first day),
            ``amounts`` (by product), ``total`` and ``previous`` (the total of the
            same month a year before). All amounts are decimals.
        """
        months = []
        for number in range(1, 13):
            first = datetime.date(year, number, 1)
            current_task.progress(
                done=number - 1, total=12, message=f"Adding up {first:%B %Y}"
            )
            months.append(cls._month(first))
            # Stands for the work that a larger shop would have here.
            time.sleep(config.getfloat("example_shop", "step_s", default=0.4))
        current_task.progress(done=12, total=12, message="Done")
        products: dict[str, Decimal] = {}
        for month in months:
            for product, amount in month["amounts"].items():
                products[product] = products.get(product, Decimal(0)) + amount
        return {
            "year": year,
            "currency": current_website.company.currency.code,
            "products": sorted(products, key=products.__getitem__, reverse=True),
            "months": months,
            "total": sum((month["total"] for month in months), Decimal(0)),
            "previous_total": sum((month["previous"] for month in months), Decimal(0)),
        }

    @classmethod
    def _month(cls, first: datetime.date) -> dict[str, Any]:
        amounts = cls._amounts(first)
        before = cls._amounts(first.replace(year=first.year - 1))
        return {
            "month": first,
            "amounts": amounts,
            "total": sum(amounts.values(), Decimal(0)),
            "previous": sum(before.values(), Decimal(0)),
        }

    @classmethod
    def _amounts(cls, first: datetime.date) -> dict[str, Decimal]:
        """The amount sold of each product in the month that begins with a day."""
        Sale = Pool().get("example.sale")
        following = (first + datetime.timedelta(days=31)).replace(day=1)
        sales = Sale.search([("date", ">=", first), ("date", "<", following)])
        amounts: dict[str, Decimal] = {}
        for sale in sales:
            amounts[sale.product] = amounts.get(sale.product, Decimal(0)) + sale.amount
        return amounts
