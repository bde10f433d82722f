"""Plain functions as tasks, in a module that a worker can import."""

from __future__ import annotations

import datetime as dt
import time

from nereid_async import NereidAsync, Retry, current_task

#: An extension without an app: the decorator needs none.
extension = NereidAsync()


@extension.task(ignore_result=False)
def multiply(left: int, right: int) -> int:
    """A task that is no method."""
    return left * right


@extension.task
def write_label(label: str) -> None:
    """A plain task with an effect."""
    from trytond.pool import Pool

    Pool().get("async_test.entry").log(label)


@extension.task
def _hidden(label: str) -> None:
    """Never called by a worker."""
    write_label(label)


@extension.task(ignore_result=False)
def link_to(endpoint: str) -> str:
    """Make a link as a view does, for a mail."""
    from flask import url_for

    return url_for(endpoint, _external=True)


def undecorated(left: int) -> int:
    """Not a task: no message may call it."""
    return left


@extension.task(max_attempts=2)
def retry_because(text: str) -> None:
    """Ask for another run because of an error, as where a mail server is away."""
    if current_task.attempt == 1:
        try:
            raise OSError(text)
        except OSError as error:
            raise Retry(delay=0) from error


@extension.task(max_attempts=1)
def snooze(path: str, times: int) -> None:
    """Ask for other runs that are no attempts; each run leaves a line in a file."""
    with open(path, "a+") as file:
        file.write(f"{current_task.attempt}\n")
        file.seek(0)
        if len(file.readlines()) <= times:
            raise Retry(delay=0, counts=False)


@extension.task(max_attempts=2)
def run_again_at(path: str, at: dt.datetime) -> None:
    """Ask for a second run at a time; each run leaves its own in a file."""
    with open(path, "a") as file:
        file.write(f"{time.time()}\n")
    if current_task.attempt == 1:
        raise Retry(at=at)


@extension.task(max_attempts=3)
def snooze_then_fail(path: str) -> None:
    """Fail once, snooze once because of an error, and then fail for good."""
    with open(path, "a+") as file:
        file.write("run\n")
        file.seek(0)
        run = len(file.readlines())
    if run == 2:
        try:
            raise OSError("the server is away")
        except OSError as error:
            raise Retry(delay=0, counts=False) from error
    raise ValueError(f"run {run} \0")


@extension.task(max_attempts=1)
def fail_below(text: str) -> None:
    """Fail in what the task calls."""
    _raise(text)


def _raise(text: str) -> None:
    raise ValueError(text)
