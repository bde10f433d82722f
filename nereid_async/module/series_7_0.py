"""Access records of Tryton 7.0 that name models and fields, as later series do.

In 7.0 an access record points at the row of its model or field; since 7.4 it has their
names (``ir.model.access.model``: a Many2One there, a Char here). The XML of this module
is that of the later series. On 7.0 these classes turn the names into rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trytond.model import fields
from trytond.pool import Pool, PoolMeta

Values = dict[str, Any]


class _Named:
    """Creates and writes records whose model, or model and field, is a name."""

    __slots__ = ()

    @classmethod
    def create(cls, vlist: Iterable[Values]) -> Any:
        return super().create([cls._with_rows(values) for values in vlist])  # type: ignore[misc]

    @classmethod
    def write(cls, *args: Any) -> None:
        # Records and their values take turns.
        turns = iter(args)
        written: list[Any] = []
        for records, values in zip(turns, turns, strict=True):
            written += [records, cls._with_rows(values, records)]
        super().write(*written)  # type: ignore[misc]

    @classmethod
    def _with_rows(cls, values: Values, records: Sequence[Any] = ()) -> Values:
        model = values.get("model")
        if not isinstance(model, str):
            return values
        (row,) = Pool().get("ir.model").search([("model", "=", model)])
        return {**values, "model": row.id}


class ModelAccess(_Named, metaclass=PoolMeta):
    __name__ = "ir.model.access"


class ModelButton(_Named, metaclass=PoolMeta):
    __name__ = "ir.model.button"


class ModelFieldAccess(_Named, metaclass=PoolMeta):
    __name__ = "ir.model.field.access"

    model = fields.Function(fields.Char("Model"), "get_model")

    def get_model(self, name: str) -> str:
        """Name of the field's model."""
        return str(self.field.model.model)  # type: ignore[attr-defined]

    @classmethod
    def _with_rows(cls, values: Values, records: Sequence[Any] = ()) -> Values:
        field = values.get("field")
        if not isinstance(field, str):
            return values
        # An update of the module writes what differs only: the field, not its model.
        model = values["model"] if "model" in values else records[0].model
        rows = (
            Pool()
            .get("ir.model.field")
            .search([("model.model", "=", model), ("name", "=", field)])
        )
        others = {name: value for name, value in values.items() if name != "model"}
        return {**others, "field": rows[0].id}
