"""A model with every kind of task."""

# Tryton has no type information to subclass.
# mypy: allow-subclassing-any, allow-untyped-decorators

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import os
import signal
import time
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

from speaklater import make_lazy_string
from trytond.exceptions import UserError, UserWarning
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.model.exceptions import RequiredValidationError
from trytond.pool import Pool
from trytond.sendmail import sendmail_transactional
from trytond.transaction import Transaction

from nereid_async import AsyncResult, Retry, async_task, current_task
from nereid_async.errors import ResultCancelled, TaskCancelled
from nereid_async.runtime import of_database


class Refusal(Exception):
    """Declared public by a task."""


class SpecialRefusal(Refusal):
    """Extends what is declared public."""


ERRORS: dict[str, type[Exception]] = {
    it.__name__: it
    for it in (
        Refusal,
        SpecialRefusal,
        KeyError,
        UserError,
        RequiredValidationError,
        TaskCancelled,
        ResultCancelled,
    )
}


class Record(ModelSQL, ModelView):
    "Record with tasks"

    __name__ = "async_test.record"

    name = fields.Char("Name")
    amount = fields.Numeric("Amount", digits=(16, 4))
    note = fields.Text("Note")

    # The kinds of methods.

    @async_task(ignore_result=False)
    def rename(self, name: str) -> str:
        """Change the record: an instance method."""
        self.name = name
        self.save()
        return name

    @async_task(ignore_result=False)
    @classmethod
    def above(cls, value: int) -> list[object]:
        return [cls.__name__, value]

    @classmethod
    @async_task(ignore_result=False)
    def below(cls, value: int) -> list[object]:
        return [cls.__name__, value]

    @async_task(ignore_result=False)
    @staticmethod
    def static_above(left: int, right: int) -> int:
        return left + right

    @staticmethod
    @async_task(ignore_result=False)
    def static_below(left: int, right: int) -> int:
        return left + right

    @async_task
    @classmethod
    def bare(cls, label: str) -> str:
        """The decorator without parentheses; its result is not kept."""
        Pool().get("async_test.entry").log(label)
        return label

    @async_task(key=lambda label: label)
    @classmethod
    def once_a_label(cls, label: str) -> None:
        """Of each label, one waits at a time."""
        Pool().get("async_test.entry").log(label)

    @async_task(key="count down")
    @classmethod
    def count_down(cls, number: int, until: Any = "start") -> None:
        """Ask for another run of its own key, until it comes to 0."""
        Pool().get("async_test.entry").log(str(number))
        if number:
            cls.count_down.configure(unique_until=until).defer(number - 1, until)

    @classmethod
    def plain(cls, label: str) -> None:
        """No decorator: deferred through ``async.async``."""
        Pool().get("async_test.entry").log(label)

    @async_task
    @classmethod
    def _hidden(cls, label: str) -> None:
        """Never called by a worker, decorated or not."""
        Pool().get("async_test.entry").log(label)

    @async_task(ignore_result=False)
    @classmethod
    def overridden(cls, label: str) -> list[str]:
        return [label, "base"]

    @classmethod
    @async_task(ignore_result=False)
    def overridden_below(cls, label: str) -> list[str]:
        return [cls.__name__, label, "base"]

    @async_task(ignore_result=False)
    def overridden_instance(self, label: str) -> list[str]:
        return [self.name, label, "base"]

    @async_task
    def noted(self) -> None:
        """A record's method without arguments."""
        Pool().get("async_test.entry").log(f"noted {self.id}")

    # What goes in and out.

    @async_task(ignore_result=False)
    @classmethod
    def echo(cls, *args: Any, **kwargs: Any) -> Any:
        """Return what came: one argument as it is, several as a list, else keywords."""
        if kwargs:
            return kwargs
        return args[0] if len(args) == 1 else list(args)

    @async_task(ignore_result=False)
    @classmethod
    def browser_values(cls) -> dict[str, Any]:
        """A value of each type that browsers get in a form of their own."""
        (record,) = cls.create([{"name": "me"}])
        return {
            "decimal": Decimal("1.10"),
            "date": dt.date(2026, 11, 25),
            "timedelta": dt.timedelta(seconds=90),
            "bytes": b"\x00\xff",
            "tuple": (1, 2),
            "record": record,
        }

    @async_task(ignore_result=False)
    @classmethod
    def unserialisable(cls) -> object:
        return object()

    @async_task(ignore_result=False)
    @classmethod
    def big(cls, size_bytes: int) -> str:
        return "x" * size_bytes

    # What Tryton's schedule calls.

    @classmethod
    def defer_nightly(cls) -> None:
        cls.write_entry.defer("nightly")

    @classmethod
    def fail_nightly(cls) -> None:
        raise ValueError("of a night")

    # What a task does.

    @async_task(ignore_result=False)
    @classmethod
    def write_entry(cls, label: str) -> str:
        Pool().get("async_test.entry").log(label)
        return label

    @async_task(ignore_result=False, max_attempts=1)
    @classmethod
    def fail(cls, message: str) -> None:
        raise ValueError(message)

    @async_task(ignore_result=False, max_attempts=1)
    @classmethod
    def fail_oddly(cls, how: str) -> None:
        """Fail with an exception that makes trouble after the run."""
        raise {
            "characters": ValueError("no \0 \x1b \ud800 \ufffe ☃"),
            "large": ValueError("☃" * 3_000_000),
            "mute": Mute(),
        }[how]

    @async_task(ignore_result=False, max_attempts=1, public_errors=Refusal)
    @classmethod
    def fail_as(cls, kind: str, text: str) -> None:
        if kind == "UserWarning":
            raise UserWarning("name", text)
        raise ERRORS[kind](text)

    @async_task(ignore_result=False, max_attempts=1)
    @classmethod
    def write_and_fail(cls, label: str) -> None:
        Pool().get("async_test.entry").log(label)
        raise UserError(gettext("async_test.msg_refused"))

    @async_task(ignore_result=False, max_attempts=4)
    @classmethod
    def fail_times(cls, path: str, times: int) -> int:
        """Fail so many times first; each attempt leaves a line in a file."""
        Pool().get("async_test.entry").log("attempt")
        attempts = append_line(path, str(current_task.id))
        if attempts <= times:
            raise ValueError(f"attempt {attempts}")
        return attempts

    @async_task(ignore_result=False)
    @classmethod
    def retry_now(cls, path: str, times: int) -> int:
        """Ask for another attempt so many times."""
        Pool().get("async_test.entry").log("attempt")
        attempts = append_line(path, str(current_task.id))
        if attempts <= times:
            raise Retry(delay=0)
        return attempts

    @async_task(max_attempts=3)
    @classmethod
    def run_twice(cls, path: str, work_s: float, delay: float | None) -> None:
        """Work, and note when that was done; ask for a second run, or just fail."""
        time.sleep(work_s)
        if append_line(path, repr(time.time())) == 1:
            raise ValueError(path) if delay is None else Retry(delay=delay)

    @async_task(max_attempts=1, retry_on=(KeyError,))
    @classmethod
    def lose_connection(cls, path: str, times: int, own_error: bool) -> None:
        """Let PostgreSQL end the session so many times first.

        :param own_error: whether to raise an error of its own in place of the driver's.
        """
        if append_line(path, str(current_task.id)) > times:
            return
        try:
            cursor = Transaction().connection.cursor()
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT pg_sleep(10)")
        except Exception:
            if own_error:
                raise RuntimeError("nothing works here") from None
            raise

    @async_task(max_attempts=1, retry_on=(KeyError,))
    @classmethod
    def outlast(cls, path: str, go: str) -> None:
        """Say that it runs, run until a file appears, then use the database."""
        append_line(path, str(current_task.id))
        deadline = time.monotonic() + 60
        while not os.path.exists(go) and time.monotonic() < deadline:
            time.sleep(0.01)
        Pool().get("async_test.entry").log("outlasted")

    @async_task(max_attempts=2)
    @classmethod
    def commit_early(cls, path: str, times: int) -> None:
        """Commit by itself, and fail so many times after that."""
        Pool().get("async_test.entry").log("first part")
        Transaction().commit()
        if append_line(path, str(current_task.id)) <= times:
            raise ValueError("second part")

    @async_task(retry_on=(ValueError,))
    @classmethod
    def fail_with_key_error(cls, path: str) -> None:
        append_line(path, str(current_task.id))
        raise KeyError("not to be repeated")

    @async_task
    @classmethod
    def join(cls, labels: list[str]) -> None:
        """A member of a batch that defers further ones, and one that is none."""
        with current_task.join_batch():
            cls.write_entry.defer_many(labels)
        cls.write_entry.defer("apart")

    @async_task(ignore_result=False)
    @classmethod
    def chain(cls, label: str) -> str:
        """A task that defers a task."""
        cls.write_entry.defer(label)
        return str(current_task.id)

    @async_task(ignore_result=False, max_attempts=1)
    @classmethod
    def chain_and_fail(cls, label: str) -> None:
        cls.write_entry.defer(label)
        raise ValueError(label)

    @async_task(ignore_result=False)
    @classmethod
    def use_tryton_queue(cls, label: str) -> None:
        """Push to Tryton's own queue, whose tasks run after the commit."""
        queue_entry(label)

    @async_task(ignore_result=False, max_attempts=1)
    @classmethod
    def use_tryton_queue_and_fail(cls, label: str) -> None:
        queue_entry(label)
        raise ValueError(label)

    @async_task(ignore_result=False)
    @classmethod
    def pending_tryton_tasks(cls) -> int:
        return len(Transaction().tasks)

    @async_task(ignore_result=False)
    @classmethod
    def who(cls) -> dict[str, Any]:
        """The user and context the task runs with."""
        transaction = Transaction()
        return {
            "user": transaction.user,
            "language": transaction.language,
            "context": {
                key: value
                for key, value in transaction.context.items()
                if not key.startswith("_")
            },
            "skip_warnings": bool(transaction.context.get("_skip_warnings")),
        }

    @async_task(ignore_result=False)
    @classmethod
    def web_context(cls, name: str) -> dict[str, Any]:
        """What a view sees of its request, seen by a task (or a view)."""
        from flask import request
        from nereid import (
            current_locale,
            current_user,
            current_website,
            render_template,
            url_for,
        )

        anonymous = current_user.is_anonymous
        return {
            "website": current_website.name,
            "locale": current_locale.code,
            "home": url_for("nereid.website.home", _external=True),
            "path": url_for("nereid.website.home"),
            "base_url": request.host_url,
            "url": AsyncResult("an id").url,
            "user": None if anonymous else current_user.email,
            "greeting": gettext("async_test.msg_greeting"),
            "language": Transaction().language,
            "company": Transaction().context.get("company"),
            "page": str(render_template("greeting.jinja", name=name)),
        }

    @async_task(max_attempts=20)
    @classmethod
    def send_mail(cls, to: str, subject: str, body: str) -> None:
        message = EmailMessage()
        message["From"] = "shop@example.com"
        message["To"] = to
        message["Subject"] = subject
        message.set_content(body)
        sendmail_transactional("shop@example.com", [to], message, strict=True)

    @async_task(ignore_result=False)
    @classmethod
    def wait_for_file(cls, started: str, go: str) -> str:
        """Say that it runs, then run until a file appears (30 s at most)."""
        append_line(started, str(current_task.id))
        deadline = time.monotonic() + 30
        while not os.path.exists(go):
            if time.monotonic() > deadline:
                raise TimeoutError(go)
            time.sleep(0.01)
        # Last: a task that has written to SQLite makes all others wait.
        Pool().get("async_test.entry").log("waited")
        return "finished"

    @async_task
    @classmethod
    def work_for(cls, started: str, seconds: float) -> None:
        """Say that it runs, then work for that long."""
        append_line(started, str(current_task.id))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)
        # Last: a task that has written to SQLite makes all others wait.
        Pool().get("async_test.entry").log("worked")

    @async_task
    @classmethod
    def kill_worker(cls, started: str) -> None:
        """End the process at once, as the kernel does when memory runs out."""
        append_line(started, str(current_task.id))
        os.kill(os.getpid(), signal.SIGKILL)

    @async_task(ignore_result=False)
    @classmethod
    def report_progress(cls, started: str, go: str) -> str:
        """Report progress 3 of 10, then wait as :meth:`wait_for_file` does."""
        current_task.progress(done=3, total=10, message="rendering")
        return str(cls.wait_for_file(started, go))

    @async_task(ignore_result=False, max_attempts=3)
    @classmethod
    def work_until_cancelled(cls, started: str, way: str) -> str:
        """Say that it runs, then run until it is cancelled (30 s at most).

        :param way: how it learns of that, and what it does then.
        """
        if way == "written":
            Pool().get("async_test.entry").log("begun")
        append_line(started, str(current_task.id))
        deadline = time.monotonic() + 30
        while not (way in ("finish", "fail") and current_task.cancelled):
            if time.monotonic() > deadline:
                raise TimeoutError(way)
            if way == "progress":
                current_task.progress(1)
            elif way in ("check", "written"):
                current_task.check()
            time.sleep(0.01)
        if way == "fail":
            raise ValueError("not what it was to do")
        Pool().get("async_test.entry").log("finished")
        return "finished"

    @async_task(ignore_result=False)
    @classmethod
    def odd_progress(cls, odd: str) -> dict[str, Any]:
        """Report progress as no task should; return what a poll is told of it."""
        current_task.progress(*ODD_PROGRESS[odd])
        status = of_database(Transaction().database.name).results.look(
            str(current_task.id)
        )
        assert status is not None and status.progress is not None
        Pool().get("async_test.entry").log(odd)
        return dataclasses.asdict(status.progress)

    @async_task(ignore_result=False, shared=True)
    @classmethod
    def shared_value(cls, value: str) -> str:
        return value

    @async_task(ignore_result=False)
    @classmethod
    def add_amounts(cls, records: list[Any]) -> Decimal:
        """Read the records it is given: they must exist by now."""
        return sum((record.amount for record in records), Decimal(0))


#: Numbers and texts that JSON or a database does not take.
ODD_PROGRESS: dict[str, tuple[Any, Any, Any]] = {
    "nan": (math.nan, 10, "half"),
    "infinity": (1, math.inf, "half"),
    "decimal": (Decimal("1.5"), Decimal("sNaN"), "half"),
    "large": (2**70, 10**400, "half"),
    "lazy": (1, 2, make_lazy_string(lambda: "half")),
    "nul": (1, 2, "ha\0lf"),
    "surrogate": (1, 2, "ha\ud800lf"),
    "long": (1, 2, "x" * 2_000_000),
}


class Mute(Exception):
    """Cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("of __str__")


def queue_entry(label: str) -> None:
    """Let Tryton's own queue write an entry; it only runs for existing records."""
    Entry = Pool().get("async_test.entry")
    Entry.__queue__.log_queued([Entry.log(f"queued {label}")], label)


def append_line(path: str, line: str) -> int:
    """Add a line to a file and say how many it has now."""
    with open(path, "a+", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        file.seek(0)
        return len(file.readlines())
