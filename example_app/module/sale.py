"""The sales the report adds up."""

from __future__ import annotations

from trytond.model import Index, ModelSQL, ModelView, fields


class Sale(ModelSQL, ModelView):
    "Sale"

    __name__ = "example.sale"

    date = fields.Date("Date", required=True)
    product = fields.Char("Product", required=True)
    quantity = fields.Integer("Quantity", required=True)
    amount = fields.Numeric(
        "Amount", digits=(16, 2), required=True, help="In the company's currency."
    )

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order.insert(0, ("date", "DESC"))
        table = cls.__table__()
        cls._sql_indexes.add(Index(table, (table.date, Index.Range())))
