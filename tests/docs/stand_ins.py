"""What samples on the pages name and do not define: the shop around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask
from trytond.model import Model, ModelSQL, fields
from trytond.pool import Pool, PoolMeta

from nereid_async import AsyncResult, NereidAsync, Retry, async_task
from tests.docs.python_page import register


class Party(metaclass=PoolMeta):
    """What the shop of the pages does with parties."""

    __name__ = "party.party"

    def get_contact_mechanism(self, name: str) -> str:
        # Tryton stores an address only if its domain is found.
        return "ada@example.com" if name == "email" else ""

    def merge(self) -> None: ...
    def write_letter(self) -> None: ...


class Sale(ModelSQL):
    "Sale"

    __name__ = "sale.sale"

    confirmed = fields.Boolean("Confirmed")
    paid = fields.Boolean("Paid")

    def ready(self) -> bool:
        return bool(self.paid)

    def confirm(self) -> None:
        self.confirmed = True
        self.save()


class Newsletter(ModelSQL):
    "Newsletter"

    __name__ = "shop.newsletter"

    state = fields.Char("State")


class Builder(Model):
    "Builder"

    __name__ = "docs.builder"

    @classmethod
    @async_task(ignore_result=False)
    def build(cls, year: int = 2026) -> int:
        """A task that may be deferred."""
        return year


def register_models() -> None:
    """Let the pool of the open transaction have the models of this file."""
    register("docs", Party, Sale, Newsletter, Builder)


def create_app(database: str, folder: str, **options: Any) -> Flask:
    """An app without a database, in place of the shop's."""
    return Flask(database)


def stand_ins(page: str) -> dict[str, Any]:
    """The names of a page's samples, with a value for each.

    To be called where something may be deferred.
    """
    names: dict[str, Any] = {
        "AsyncResult": AsyncResult,
        "PoolMeta": PoolMeta,
        "Retry": Retry,
        "app": Flask("shop"),
        "async_task": async_task,
    }
    return names | _OF_A_PAGE.get(page, dict)()


def party(**values: Any) -> Any:
    """A party, as it is stored."""
    (made,) = Pool().get("party.party").create([{"name": "ada", **values}])
    return made


def build() -> Any:
    """The task of :class:`Builder`."""
    return Pool().get("docs.builder").build


def _tasks() -> dict[str, Any]:
    return {
        "Report": SimpleNamespace(build=build()),
        "Sale": SimpleNamespace(export=build()),
        "async_ext": NereidAsync(),
        "order": SimpleNamespace(
            export=build(), party=SimpleNamespace(email="ada@example.com")
        ),
        "sales": 2026,
        "text": "It is on its way.",
        "tomorrow": datetime.now(timezone.utc) + timedelta(days=1),
    }


def _polls() -> dict[str, Any]:
    from werkzeug.wrappers import Response

    return {"Path": Path, "Response": Response, "async_ext": NereidAsync()}


def _result() -> dict[str, Any]:
    return {"result": build().defer(2026)}


class Order:
    """A sale, by the class that the samples have made by then."""

    @property
    def confirm_later(self) -> Any:
        (order,) = Pool().get("sale.sale").create([{"paid": True}])
        return order.confirm_later


class APartyNow:
    """A party, by the class that the samples have made by then."""

    @property
    def send_letter(self) -> Any:
        return party().send_letter


def _moving() -> dict[str, Any]:
    return {"order": Order(), "party": APartyNow(), "parties": [party(), party()]}


_OF_A_PAGE: dict[str, Callable[[], dict[str, Any]]] = {
    "how-to/cancel": _result,
    "how-to/moving-from-celery": _moving,
    "how-to/moving-from-dramatiq": _moving,
    "how-to/moving-from-tryton-queue": _moving,
    "reference/browser": _polls,
    "reference/tasks": _tasks,
}
