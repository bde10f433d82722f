"""Counts of records, made in the background."""

from __future__ import annotations

from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.rpc import RPC
from trytond.wizard import StateTransition, Wizard

from nereid_async import async_task


class Count(ModelSQL, ModelView):
    "Count"

    __name__ = "plain_tryton.count"
    # Tryton 8.0 does not take it from the docstring.
    __string__ = __doc__
    name = fields.Char("Model", required=True)
    records = fields.Integer("Records", readonly=True)

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls.__rpc__["recount"] = RPC(readonly=False, instantiate=0)

    @classmethod
    def recount(cls, counts: list[Count]) -> list[str]:
        """Count again; returns the ids of the tasks. A client calls it by RPC."""
        return [cls.count_one.defer(count).id for count in counts]

    @async_task
    @classmethod
    def count_one(cls, count: Count) -> None:
        """Count the records of one model; a worker runs this."""
        count.records = Pool().get(count.name).search([], count=True)
        count.save()

    @classmethod
    def recount_all(cls) -> None:
        """Count again all; cron calls it."""
        cls.recount(cls.search([]))


class CountAll(Wizard):
    "Count All"

    __name__ = "plain_tryton.count_all"
    __string__ = __doc__
    start_state = "count"
    count = StateTransition()

    def transition_count(self) -> str:
        """Count again all."""
        Pool().get("plain_tryton.count").recount_all()
        return "end"


class Cron(metaclass=PoolMeta):
    __name__ = "ir.cron"

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls.method.selection.append(("plain_tryton.count|recount_all", "Count All"))
