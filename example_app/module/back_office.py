"""The shop's back office: tasks that end well late, badly, or when they are told to."""

from __future__ import annotations

import time
from typing import Any

from flask import session
from nereid import abort, redirect, render_template, request, route, url_for
from trytond.config import config
from trytond.exceptions import UserError
from trytond.model import Model
from trytond.pool import Pool

from nereid_async import AsyncResult, async_task, current_task

#: How many tasks a visitor's page lists.
LISTED_MAX = 12
#: How many shelves are counted when stock is taken.
SHELVES = 100


def list_task(result: AsyncResult, title: str, *, cancel: bool = False) -> None:
    """Have the Tasks page of this visitor, and of nobody else, list a task.

    :param cancel: whether it has a button that cancels it.
    """
    tasks = [(result.id, title, cancel), *session.get("tasks", ())]
    session["tasks"] = tasks[:LISTED_MAX]


class CourierBusy(Exception):
    """The courier does not answer; it may do so later."""


class BackOffice(Model):
    "Back Office"

    __name__ = "example.back_office"

    @classmethod
    @route("/tasks")
    def tasks(cls) -> Any:
        """What this visitor has asked for, the latest first."""
        listed = session.get("tasks", ())
        ids = [id for id, _, _ in listed]
        rows = Pool().get("async.task").search([("uuid", "in", ids)])
        return render_template(
            "tasks.jinja", listed=listed, rows={row.uuid: row for row in rows}
        )

    @classmethod
    @route("/tasks", methods=["POST"])
    def start(cls) -> Any:
        """Defer the task that the form field ``task`` names."""
        wanted = request.form.get("task")
        if wanted == "courier":
            list_task(cls.book_courier.defer(), "Book a courier")
        elif wanted == "card":
            list_task(cls.charge_card.defer(), "Charge a card")
        elif wanted == "stock":
            list_task(cls.take_stock.defer(), "Take stock", cancel=True)
        else:
            abort(400)
        return redirect(url_for("example.back_office.tasks"), 303)

    @classmethod
    @async_task(max_attempts=5, retry_delay=1)
    def book_courier(cls) -> None:
        """Fail twice, as the line is busy, and succeed then."""
        if current_task.attempt <= 2:
            raise CourierBusy("the line is busy")

    @classmethod
    @async_task
    def charge_card(cls) -> None:
        """Fail for good: no further attempt would help, and the visitor may know."""
        raise UserError("The card was declined.", "It expired last month.")

    @classmethod
    @async_task(cancellable=True)
    def take_stock(cls) -> None:
        """Count for a while; a cancel ends it where it tells its progress."""
        for shelf in range(SHELVES):
            current_task.progress(shelf, SHELVES, f"Counting shelf {shelf + 1}")
            time.sleep(config.getfloat("example_shop", "step_s", default=0.4))
