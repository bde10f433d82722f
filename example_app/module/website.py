"""The pages that belong to the site as a whole."""

from __future__ import annotations

from typing import Any

from nereid import current_app, jsonify, render_template, route
from sql.aggregate import Count
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .forms import ContactForm
from .mailbox import read_mails
from .negotiation import wants_json

#: The order in which a task passes through its states.
STATES = ("pending", "sent", "running", "done", "failed", "cancelled")


class WebSite(metaclass=PoolMeta):
    __name__ = "nereid.website"

    @classmethod
    @route("/")
    def home(cls) -> Any:
        """The shop's only page that matters."""
        return render_template("home.jinja", form=ContactForm())

    @classmethod
    @route("/mailbox")
    def mailbox(cls) -> Any:
        """What the development mail server has received, the latest first."""
        mails = read_mails(current_app.config["EXAMPLE_MAILBOX"])
        if wants_json():
            return jsonify(mails)
        return render_template("mailbox.jinja", mails=mails)

    @classmethod
    @route("/stats")
    def task_stats(cls) -> Any:
        """The number of tasks in each state."""
        task = Pool().get("async.task").__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*task.select(task.state, Count(task.id), group_by=task.state))
        found = dict(cursor.fetchall())
        counts = {state: found.pop(state, 0) for state in STATES} | found
        if wants_json(default=True):
            return jsonify(counts)
        return render_template("stats.jinja", counts=counts)

    @classmethod
    def report_years(cls) -> list[int]:
        """The years the report may be asked for; used by the template."""
        years: list[int] = Pool().get("example.sales_report").years()
        return years
