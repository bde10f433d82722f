"""The records of a new shop: two years of invented sales."""

from __future__ import annotations

import datetime
import itertools
import random
from decimal import Decimal
from typing import Any

SHOP = "Northwharf Coffee"

#: Price in euros, and pieces sold in a quiet week.
PRODUCTS = {
    "Harbour Blend": (Decimal("14.90"), 52),
    "Night Shift Espresso": (Decimal("16.50"), 38),
    "Sidamo, single origin": (Decimal("21.00"), 17),
    "Decaf Low Tide": (Decimal("15.40"), 11),
    "Filter set": (Decimal("39.00"), 6),
}
#: How the months differ: coffee weather, and presents in December.
SEASON = (1.05, 1.0, 1.02, 0.95, 0.9, 0.82, 0.76, 0.8, 0.98, 1.1, 1.25, 1.6)
#: Each year sells more than the one before.
GROWTH = 1.17
#: A week's sales are entered on one day.
DAYS = (3, 10, 17, 24)


def create_sales(today: datetime.date) -> None:
    """Create the sales of the last two whole years. Needs an open transaction."""
    from trytond.pool import Pool

    pool = Pool()
    pool.get("example.sale").create(list(_sales(today.year - 2, today.year - 1)))


def _sales(first_year: int, last_year: int) -> list[dict[str, Any]]:
    chance = random.Random(first_year)
    sales = []
    for year in range(first_year, last_year + 1):
        for month, season in enumerate(SEASON, start=1):
            factor = season * GROWTH ** (year - first_year)
            for day, (product, (price, pieces)) in itertools.product(
                DAYS, PRODUCTS.items()
            ):
                quantity = round(pieces * factor * chance.uniform(0.75, 1.25))
                sales.append(
                    {
                        "date": datetime.date(year, month, day),
                        "product": product,
                        "quantity": quantity,
                        "amount": price * quantity,
                    }
                )
    return sales
