"""Tasks that take too long, in a module that a worker can import."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Any

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async import NereidAsync, current_task

#: An extension without an app: the decorator needs none.
extension = NereidAsync()

#: A statement that takes very long.
_LONG = {
    "postgresql": "SELECT pg_sleep(600)",
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
    "SELECT count(*) FROM c",
}


def _write(label: str) -> None:
    Pool().get("async_test.entry").log(label)


@extension.task(max_attempts=1)
def compute(first: str = "") -> None:
    """Write, and compute for ever."""
    _write("never committed")
    while True:
        pass


@extension.task(max_attempts=2)
def compute_only(started: str) -> None:
    """Compute for ever, and ask for nothing."""
    with open(started, "a") as file:
        file.write("begun\n")
    while True:
        pass


@extension.task(max_attempts=1)
def query() -> None:
    """Write, and let the database compute for ever."""
    _write("never committed")
    Transaction().connection.cursor().execute(_LONG[backend.name])


@extension.task(max_attempts=1)
def query_beside_a_cursor() -> None:
    """As before, with rows that were not fetched."""
    _write("never committed")
    cursor = Transaction().connection.cursor()
    cursor.execute("SELECT id FROM ir_model")
    cursor.fetchone()
    while True:
        pass


@extension.task(max_attempts=1)
def query_elsewhere() -> None:
    """Compute for ever in a transaction inside of the task's own."""
    with Transaction().new_transaction():
        while True:
            pass


@extension.task(max_attempts=1)
def swallow(first: str = "") -> str:
    """Take the exception for a mistake of the loop, and return."""
    _write("never committed")
    with suppress(Exception):
        while True:
            pass
    return "as if nothing had happened"


@extension.task(max_attempts=1)
def swallow_and_go_on() -> None:
    """Take the exception for a mistake of one round."""
    _write("never committed")
    for _ in range(3):
        with suppress(Exception):
            while True:
                pass


@extension.task(max_attempts=2)
def compute_at_first() -> None:
    """Take too long in the first attempt."""
    _write(f"attempt {current_task.attempt}")
    while current_task.attempt == 1:
        pass


@extension.task(max_attempts=1)
def spin(seconds: float, label: str) -> None:
    """Compute for a while."""
    _write(label)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass


@extension.task
def hang(how: str, started: str, writes: bool = False) -> None:
    """Wait outside of Python, where no exception is heard, in the first attempt."""
    if writes:
        _write("never committed")
    with open(started, "a") as file:
        file.write(f"{current_task.attempt}\n")
    if current_task.attempt == 1 or how.startswith("always"):
        _HANGS[how.removeprefix("always ")]()
    _write("at last")


@extension.task
def work_beside(started: str, seconds: float) -> None:
    """Work for a while beside others."""
    with open(started, "a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    _write("beside")


def _receive() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.recv(1)


def _sleep() -> None:
    time.sleep(600)


_HANGS: dict[str, Any] = {"sleep": _sleep, "socket": _receive}
