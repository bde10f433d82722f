"""What many tests do: wait for something, browse, look into the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fixtures.scripts import Script


def wait_until(
    condition: Callable[[], Any], timeout_s: float = 30, what: str = ""
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

    from nereid_async.database import connections

    if backend.name == "sqlite":
        statement = statement.replace("%s", "?")
    outer = Transaction()
    inside = outer.connection is not None
    own = outer.new_transaction() if inside else outer.start(database, 0)
    with own as transaction:
        cursor = connections.cursor_of(transaction)
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def database_settings(database: str, **settings: str) -> Iterator[None]:
    """Settings of PostgreSQL for the sessions that begin in the context."""
    from trytond.cache import Cache

    from nereid_async.database import connections

    def begin_anew() -> None:
        Cache.drop(database)
        connections.close(database)

    for name, value in settings.items():
        query(database, f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
    begin_anew()
    try:
        yield
    finally:
        query(database, f'ALTER DATABASE "{database}" RESET ALL')
        begin_anew()


def intake(runtime: Any, consumer: Any) -> Any:
    """What a worker called ``worker`` makes jobs with of what a consumer received."""
    from nereid_async.worker.intake import Intake
    from nereid_async.worker.settlement import Settlement

    return Intake(runtime, Settlement(runtime, consumer), "worker")


def runner_of(runtime: Any, consumer: Any) -> Any:
    """What runs the jobs of a worker called ``worker``."""
    from nereid_async.worker.interrupt import Interrupter
    from nereid_async.worker.runner import Runner
    from nereid_async.worker.settlement import Settlement

    settlement = Settlement(runtime, consumer)
    return Runner(runtime, settlement, Interrupter(30, print), "worker")


def command(database: str, name: str, *args: str, exit_code: int = 0) -> str:
    """Run a command of ``nereid-async`` in this process, with its settings.

    :param name: of the command, or of its group and the command.
    :param exit_code: the expected one.
    :return: what it prints.
    """
    from click.testing import CliRunner

    from nereid_async.cli import main

    done = CliRunner().invoke(
        main, [*name.split(), "-d", database, *args], catch_exceptions=False
    )
    assert done.exit_code == exit_code, done.output
    return done.output
