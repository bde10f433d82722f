"""A module of a shop: a page, and a task that the page asks for."""

from __future__ import annotations

from trytond.pool import Pool

from .pages import WebSite


def register() -> None:
    Pool.register(WebSite, module="count_shop", type_="model")
