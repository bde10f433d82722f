"""Views of every way in which a request may commit or not."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

from flask import (
    jsonify,
    make_response,
    render_template_string,
    request,
    session,
)
from flask_wtf.csrf import generate_csrf
from nereid import current_user, route
from trytond import backend
from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import Model
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async import NereidAsync

#: How often each view ran, by name, since a test emptied it.
RUNS: Counter[str] = Counter()


class Web(Model):
    "Views"

    __name__ = "async_test.web"

    @classmethod
    @route("/csrf")
    def csrf(cls) -> str:
        return str(generate_csrf())

    @classmethod
    @route("/whoami")
    def whoami(cls) -> Any:
        """The address of the user logged in, or null."""
        user = current_user
        return jsonify(user=None if user.is_anonymous else user.email)

    @classmethod
    @route("/page-of-a-task")
    def page_of_a_task(cls) -> str:
        """A page without a form that shows a task it has deferred."""
        result = Pool().get("async_test.record").echo.defer("x")
        return str(render_template_string("{{ async_result(it) }}", it=result))

    @classmethod
    @route("/remember")
    def remember(cls) -> str:
        """Put the query's ``it`` into the session."""
        session["it"] = request.args["it"]
        return "remembered"

    @classmethod
    @route("/remembered")
    def remembered(cls) -> str:
        return str(session.get("it"))

    @classmethod
    @route("/deferring-page/<kind>")
    def deferring_page(cls, kind: str) -> Any:
        """A page that defers, and wants to be kept by caches that visitors share."""
        _defer("page")
        answer = make_response("a page for all")
        answer.headers["Cache-Control"] = "public, max-age=60, s-maxage=600"
        if kind == "cdn":
            answer.headers["CDN-Cache-Control"] = "max-age=600"
            answer.headers["Surrogate-Control"] = "max-age=600"
            answer.headers["X-Accel-Expires"] = "600"
        return answer

    @classmethod
    @route("/nothing", methods=["GET", "POST"])
    def nothing(cls) -> str:
        return "nothing"

    @classmethod
    @route("/commit", methods=["POST"])
    def commit(cls) -> str:
        _write_record("commit")
        _defer("commit")
        return "committed"

    @classmethod
    @route("/bench", methods=["POST"])
    def bench(cls) -> str:
        """Write a row, and let a contender of the benchmarks enqueue."""
        from benchmarks.contenders import work

        work.write()
        for _ in range(int(request.form["number"])):
            work.enqueue("nothing")
        return "enqueued"

    @classmethod
    @route("/several", methods=["POST"])
    def several(cls) -> str:
        for number in range(int(request.form["number"])):
            _defer(f"several {number}")
        return "deferred"

    @classmethod
    @route("/many", methods=["POST"])
    def many(cls) -> str:
        """Defer many to each of several queues, in a transaction each."""
        task = Pool().get("async_test.record").write_entry
        for queue in request.form["queues"].split():
            with Transaction().new_transaction():
                labels = [f"{queue} {n}" for n in range(int(request.form["number"]))]
                task.configure(queue=queue).defer_many(labels)
        return "deferred"

    @classmethod
    @route("/raise", methods=["POST"])
    def raise_(cls) -> str:
        _write_record("raise")
        _defer("raise")
        raise RuntimeError("the view fails after it deferred")

    @classmethod
    @route("/refuse", methods=["POST"])
    def refuse(cls) -> str:
        _defer("refuse")
        raise UserError(gettext("async_test.msg_refused"))

    @classmethod
    @route("/retry", methods=["POST"])
    def retry(cls) -> str:
        """Fail twice as a busy database does; Nereid runs the view again."""
        RUNS["retry"] += 1
        _write_record("retry")
        _defer(f"retry {RUNS['retry']}")
        if RUNS["retry"] <= 2:
            raise backend.DatabaseOperationalError("the test's own")
        return "done at last"

    @classmethod
    @route("/nested", methods=["POST"])
    def nested(cls) -> str:
        _defer("outer")
        with Transaction().new_transaction():
            _defer("inner")
        raise RuntimeError("the outer transaction fails")

    @classmethod
    @route("/nested-rollback", methods=["POST"])
    def nested_rollback(cls) -> str:
        _defer("outer")
        with Transaction().new_transaction() as transaction:
            _defer("inner")
            transaction.rollback()
        return "the inner one is rolled back"

    @classmethod
    @route("/two-commits", methods=["POST"])
    def two_commits(cls) -> str:
        _defer("first")
        Transaction().commit()
        _defer("second")
        Transaction().commit()
        return "committed twice"

    @classmethod
    @route("/readonly-get", methods=["GET"])
    def readonly_get(cls) -> str:
        _defer("readonly")
        return "deferred by a GET"

    @classmethod
    @route("/ask-once", methods=["POST"])
    def ask_once(cls) -> str:
        task = Pool().get("async_test.record").once_a_label
        return str(task.defer("once").id)

    @classmethod
    @route("/ask-once-readonly", methods=["GET"])
    def ask_once_readonly(cls) -> str:
        return str(cls.ask_once())

    @classmethod
    @route("/readwrite-get", methods=["GET"], readonly=False)
    def readwrite_get(cls) -> str:
        _defer("readwrite")
        return "deferred by a GET that may write"

    @classmethod
    @route("/commit-then-raise", methods=["POST"])
    def commit_then_raise(cls) -> str:
        _defer("committed")
        Transaction().commit()
        _defer("lost")
        raise RuntimeError("the view fails after it committed")

    @classmethod
    @route("/defer-result", methods=["POST"])
    def defer_result(cls) -> Any:
        """Defer the task that the JSON body names; answer with where to look."""
        order = request.get_json()
        Record = Pool().get("async_test.record")
        task = getattr(Record, order.get("task", "echo"))
        if configuration := order.get("configure"):
            task = task.configure(**configuration)
        nested = Transaction().new_transaction() if order.get("nested") else None
        with nested or nullcontext():
            result = task.defer(*order.get("args", []), **order.get("kwargs", {}))
        return jsonify(id=result.id, url=result.url, is_new=result.is_new), 202

    @classmethod
    @route("/begin-batch", methods=["POST"])
    def begin_batch(cls) -> Any:
        """Begin a batch with members that write labels; answer with where to look."""
        order = request.get_json()
        entry = Pool().get("async_test.record").write_entry
        options = order.get("options", {})
        batch = NereidAsync.batch("Labels", then=entry.prepare("then"), **options)
        with batch:
            entry.configure(delay=order.get("delay", 0)).defer_many(order["labels"])
        return jsonify(id=batch.id, url=batch.result.url), 202

    @classmethod
    @route("/web-context", methods=["GET", "POST"], readonly=False)
    def web_context(cls) -> Any:
        """Answer with the context of this request and a task that looks at its own."""
        Record = Pool().get("async_test.record")
        result = Record.web_context.defer("Ada")
        seen = Record.web_context("Ada")
        return jsonify(id=result.id, url=result.url, seen=seen)


def _defer(label: str) -> None:
    Pool().get("async_test.record").write_entry.defer(label)


def _write_record(name: str) -> None:
    Pool().get("async_test.record").create([{"name": name}])
