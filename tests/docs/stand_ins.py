"""What samples on the pages name and do not define: the shop around them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask
from trytond.pool import PoolMeta

from nereid_async import AsyncResult, Retry, async_task
from nereid_async.mail import send_mail


@async_task(ignore_result=False)
def build(year: int = 2026) -> int:
    """A task that may be deferred."""
    return year


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


def _tasks() -> dict[str, Any]:
    return {
        "Report": SimpleNamespace(build=build),
        "Sale": SimpleNamespace(export=build),
        "async_ext": SimpleNamespace(send_mail=send_mail),
        "order": SimpleNamespace(
            export=build, party=SimpleNamespace(email="ada@example.com")
        ),
        "sales": 2026,
        "text": "It is on its way.",
        "tomorrow": datetime.now(timezone.utc) + timedelta(days=1),
    }


def _polls() -> dict[str, Any]:
    from werkzeug.wrappers import Response

    from nereid_async import NereidAsync

    return {"Path": Path, "Response": Response, "async_ext": NereidAsync()}


def _result() -> dict[str, Any]:
    return {"result": build.defer(2026)}


def _model(name: str, bases: tuple[type, ...], content: dict[str, Any]) -> Any:
    """In place of ``PoolMeta``: a model of the page's own, in no pool."""
    from trytond.model import Model

    return type(Model)(name, (Model,), content)


def _moving() -> dict[str, Any]:
    from trytond.pool import Pool

    return {
        "PoolMeta": _model,
        "order": SimpleNamespace(confirm_later=build),
        "parties": Pool().get("async_test.record").create([{"name": "ada"}]),
        "party": SimpleNamespace(send_letter=build),
    }


_OF_A_PAGE: dict[str, Callable[[], dict[str, Any]]] = {
    "how-to/cancel": _result,
    "how-to/moving-from-celery": _moving,
    "how-to/moving-from-dramatiq": _moving,
    "how-to/moving-from-tryton-queue": _moving,
    "reference/browser": _polls,
    "reference/tasks": _tasks,
}
