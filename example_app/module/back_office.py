"""The shop's back office: tasks that end well late, badly, or when they are told to."""

from __future__ import annotations

import time
from email.message import EmailMessage
from typing import Any

from flask import session
from nereid import abort, redirect, render_template, request, route, url_for
from trytond.config import config
from trytond.exceptions import UserError
from trytond.model import Model
from trytond.pool import Pool

from nereid_async import AsyncResult, NereidAsync, async_task, current_task
from nereid_async.mail import send_mail

#: How many tasks a visitor's page lists.
LISTED_MAX = 12
#: How many shelves are counted when stock is taken.
SHELVES = 100
#: How many customers get a catalogue.
CUSTOMERS = 24


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
        rows: dict[str, Any] = {}
        for name in ("async.task", "async.batch"):
            found = Pool().get(name).search([("uuid", "in", ids)])
            rows |= {row.uuid: row for row in found}
        return render_template("tasks.jinja", listed=listed, rows=rows)

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
        elif wanted == "catalogue":
            list_task(cls.send_catalogues(), "Send catalogues", cancel=True)
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

    @classmethod
    def send_catalogues(cls) -> AsyncResult[dict[str, int]]:
        """Defer a task a customer, as a batch with one bar, and a mail at its end."""
        with NereidAsync.batch(
            "Catalogues", then=cls.tell_office.prepare(), cancellable=True
        ) as batch:
            cls.send_catalogue.defer_many(range(1, CUSTOMERS + 1))
        return batch.result

    @classmethod
    @async_task
    def send_catalogue(cls, customer: int) -> None:
        """Wrap one; that of the seventh customer is returned to the sender."""
        time.sleep(config.getfloat("example_shop", "step_s", default=0.4))
        if customer == 7:
            raise UserError("The address is unknown.", "The parcel came back.")

    @classmethod
    @async_task
    def tell_office(cls) -> None:
        """Write to the shop that all catalogues are on their way."""
        mail = EmailMessage()
        mail["To"] = "office@example.com"
        mail["Subject"] = "The catalogues are on their way"
        mail.set_content("All of them were sent, or came back.")
        send_mail(mail)
