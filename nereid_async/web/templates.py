"""Helpers for Jinja templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import g
from markupsafe import Markup

from ..result import AsyncResult
from .routes import client_url

if TYPE_CHECKING:
    from flask import Flask


def async_client() -> Markup:
    """The script tag that a page needs to fetch results.

    For the head of a page: ``{{ async_client() }}``. :func:`async_result` adds it if it
    is missing.
    """
    g._nereid_async_client = True
    return Markup('<script type="module" src="{}"></script>').format(client_url())


def async_result(
    result: AsyncResult | str,
    *,
    caller: Callable[[], str] | None = None,
    **attributes: object,
) -> Markup:
    """The element that shows progress, result or error of a task.

    ``{{ async_result(report, label="Sales report") }}`` is all a page needs. Between
    ``{% call async_result(report) %}`` and ``{% endcall %}`` goes a ``<template>`` for
    the result.

    :param result: the handle, or its id.
    :param caller: Jinja's: returns the content of a ``call`` block.
    :param attributes: attributes of the element, with ``_`` for ``-``. True gives an
        attribute without a value, None and False give none.
    """
    given = {
        name.replace("_", "-"): value
        for name, value in attributes.items()
        if value is not None and value is not False
    }
    uuid = result if isinstance(result, str) else result.id
    written = Markup("").join(
        Markup(" {}").format(name)
        if value is True
        else Markup(' {}="{}"').format(name, value)
        for name, value in {"uuid": uuid, **given}.items()
    )
    element = Markup("<async-result{}>{}</async-result>").format(
        # The page's own content, escaped where the page escapes.
        written,
        "" if caller is None else Markup(caller()),
    )
    if getattr(g, "_nereid_async_client", False):
        return element
    return async_client() + Markup("\n") + element


def register(app: Flask) -> None:
    """Make the helpers available in every template."""

    # A context processor, since Nereid makes its Jinja environment later.
    def helpers() -> dict[str, object]:
        return {"async_client": async_client, "async_result": async_result}

    app.context_processor(helpers)
