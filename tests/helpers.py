"""What many tests do: wait for something, browse, look into the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.site import VISITORS

if TYPE_CHECKING:
    from nereid_async.worker.intervals import Intervals
    from tests.fixtures.scripts import Script


def wait_until(
    condition: Callable[[], Any], timeout_s: float = 10, what: str = ""
) -> Any:
    """Wait for a condition.

    :param condition: called again and again; its first true value is returned.
    :param what: for the failure's text.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s} s: {what or condition}")
        time.sleep(0.01)
    return value


def run_until(script: Script, condition: Callable[[], Any]) -> None:
    """Run workers, one after the other, until something has come about."""

    def try_once() -> Any:
        script.burst()
        return condition()

    wait_until(try_once, 30)


def grows_in_proportion(call: Callable[[int], Any], size: int) -> bool:
    """Whether a call takes time in proportion to its argument.

    :param size: what takes a millisecond or so; compared with 16 times as much.
    """

    def seconds(size: int) -> float:
        spent = []
        for _ in range(3):
            began_s = time.thread_time()
            call(size)
            spent.append(time.thread_time() - began_s)
        return min(spent)

    # By the square it would be 256 times as long.
    return seconds(16 * size) < 64 * max(seconds(size), 0.0005)


class Browser:
    """A visitor with a cookie jar, who sends the CSRF token as scripts do.

    :param app: the Nereid app.
    :param token: the CSRF token; asked for at the first use, if None.
    """

    def __init__(self, app: Any, token: str | None = None) -> None:
        self.client = app.test_client()
        self.token = token

    def get(self, path: str, **options: Any) -> Any:
        """GET."""
        return self.client.get(path, **options)

    def post(self, path: str, **options: Any) -> Any:
        """POST with the CSRF token in the header."""
        return self.send("POST", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        """DELETE with the CSRF token in the header."""
        return self.send("DELETE", path, **options)

    def defer(
        self, task: str, *args: Any, locale: str = "en", **order: Any
    ) -> dict[str, Any]:
        """Let a view defer a task.

        :param locale: in which the visitor browses.
        :param order: ``kwargs`` and ``configure``, as the view takes them.
        :return: its answer: id and url.
        """
        answer = self.post(
            f"/{locale}/defer-result", json={"task": task, "args": list(args), **order}
        )
        assert answer.status_code == 202, answer.text
        return dict(answer.json)

    def csrf_token(self) -> str:
        """The token of this visitor's session."""
        if self.token is None:
            answer = self.get("/en/csrf")
            assert answer.status_code == 200, answer.text
            self.token = answer.text
        return self.token

    @property
    def cookies(self) -> str:
        """All cookies of this visitor, as the header sends them."""
        return "; ".join(f"{it.key}={it.value}" for it in self.jar.values())

    def twin(self) -> Browser:
        """Another browser with a copy of the cookies, as they are now."""
        other = Browser(self.client.application, self.token)
        other.jar.update(self.jar)
        return other

    def at_once(self, *requests: Callable[[Browser], Any]) -> list[Any]:
        """Make several requests with the cookies there are now, as a page may.

        Afterwards the cookies of all answers are there, in the order of the requests.
        """
        twins = [self.twin() for _ in requests]
        answers = [request(twin) for request, twin in zip(requests, twins, strict=True)]
        before = dict(self.jar)
        for twin in twins:
            for key in before.keys() - twin.jar.keys():
                self.jar.pop(key, None)
            self.jar.update(
                (key, cookie)
                for key, cookie in twin.jar.items()
                if before.get(key) != cookie
            )
        return answers

    @property
    def jar(self) -> dict[Any, Any]:
        """The cookies themselves, as the test client keeps them."""
        jar: dict[Any, Any] = self.client._cookies
        return jar

    @property
    def session_id(self) -> str:
        """The value of this visitor's session cookie."""
        cookie = self.client.get_cookie("session")
        assert cookie is not None
        return str(cookie.value)

    def log_in(self, address: str) -> None:
        """Log in as one of the visitors with an account."""
        answer = self.post(
            "/en/login", data={"email": address, "password": VISITORS[address]}
        )
        assert answer.status_code == 302, answer.text

    def log_out(self) -> None:
        """Log out."""
        assert self.get("/en/logout").status_code == 302

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Any method, with the CSRF token in the header."""
        headers = {"X-CSRFToken": self.csrf_token(), **options.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **options)


def labels(database: str) -> list[str]:
    """What the tasks that ran have written, in order."""
    rows = query(database, "SELECT label FROM async_test_entry ORDER BY id")
    return [label for (label,) in rows]


def states(database: str) -> list[str]:
    """The states of all tasks, in the order in which they were deferred."""
    rows = query(database, "SELECT state FROM async_task ORDER BY id")
    return [state for (state,) in rows]


def query(database: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own.

    :param statement: with ``%s`` for parameters, on either backend.
    """
    from trytond import backend
    from trytond.transaction import Transaction

    if backend.name == "sqlite":
        statement = statement.replace("%s", "?")
    outer = Transaction()
    inside = outer.connection is not None
    own = outer.new_transaction() if inside else outer.start(database, 0)
    with own as transaction:
        cursor = transaction.connection.cursor()
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def burst(app: Any, *queues: str) -> None:
    """Run a worker with the web app, in this process, until nothing is left to do.

    :param queues: short names of queues; none for the default one.
    """
    _run_worker(app.extensions["nereid_async"], queues)


def burst_database(
    database: str, *queues: str, intervals: Intervals | None = None
) -> None:
    """Run a worker without a web app, in this process, until nothing is left to do.

    :param queues: short names of queues; none for the default one.
    :param intervals: what it keeps to; None for the usual ones.
    """
    from nereid_async.runtime import of_database

    _run_worker(of_database(database), queues, intervals)


@contextmanager
def database_settings(database: str, **settings: str) -> Iterator[None]:
    """Settings of PostgreSQL for the sessions that begin in the context."""
    from trytond import backend
    from trytond.cache import Cache

    def begin_anew() -> None:
        Cache.drop(database)
        backend.Database(database).close()

    for name, value in settings.items():
        query(database, f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
    begin_anew()
    try:
        yield
    finally:
        query(database, f'ALTER DATABASE "{database}" RESET ALL')
        begin_anew()


@contextmanager
def worker_thread(
    database: str,
    threads: int = 1,
    intervals: Intervals | None = None,
    queues: tuple[str, ...] = (),
) -> Iterator[None]:
    """A worker in threads of this process, until the end of the context.

    :param queues: short names of queues; none for the default one.
    :param intervals: what it keeps to; None for the usual ones.
    """
    from nereid_async.runtime import of_database
    from nereid_async.worker.intervals import USUAL
    from nereid_async.worker.options import WorkerOptions
    from nereid_async.worker.process import WorkerProcess

    options = WorkerOptions(
        queues=queues, threads=threads, intervals=intervals or USUAL
    )
    worker = WorkerProcess(of_database(database), options)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def intake(runtime: Any, consumer: Any) -> Any:
    """What a worker called ``worker`` makes jobs with of what a consumer received."""
    from nereid_async.worker.intake import Intake
    from nereid_async.worker.settlement import Settlement

    return Intake(runtime, Settlement(runtime, consumer), "worker")


def command(database: str, name: str, *args: str, exit_code: int = 0) -> str:
    """Run a command of ``nereid-async`` in this process, with its settings.

    :param exit_code: the expected one.
    :return: what it prints.
    """
    from click.testing import CliRunner

    from nereid_async.cli import main

    done = CliRunner().invoke(
        main, [name, "-d", database, *args], catch_exceptions=False
    )
    assert done.exit_code == exit_code, done.output
    return done.output


def _run_worker(
    runtime: Any, queues: tuple[str, ...], intervals: Intervals | None = None
) -> None:
    import importlib
    from dataclasses import replace

    from nereid_async.worker.intervals import USUAL
    from nereid_async.worker.options import WorkerOptions
    from nereid_async.worker.process import run_until_empty

    for module in runtime.settings.imports:
        importlib.import_module(module)
    # What the tests look at is there already: no need to wait for more.
    quick = replace(intervals or USUAL, burst_wait_s=0)
    run_until_empty(runtime, WorkerOptions(queues=queues, burst=True, intervals=quick))
