"""How a task stands, as administrators see it: by its state and its due time."""

from __future__ import annotations

import datetime as dt
from typing import Any

SCHEDULED, WAITING, RUNNING = "scheduled", "waiting", "running"
FAILED, CANCELLED, DONE = "failed", "cancelled", "done"

CHOICES = [
    (RUNNING, "Running"),
    (WAITING, "Waiting"),
    (SCHEDULED, "Scheduled"),
    (FAILED, "Failed"),
    (CANCELLED, "Cancelled"),
    (DONE, "Done"),
]
#: Icons of the clients.
ICONS = {
    RUNNING: "tryton-launch",
    WAITING: "tryton-history",
    SCHEDULED: "tryton-date",
    FAILED: "tryton-error",
    CANCELLED: "tryton-cancel",
    DONE: "tryton-ok",
}
_NOT_STARTED = ("pending", "sent")


def utc_now() -> dt.datetime:
    """The time in UTC, as Tryton's columns have it."""
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


def of(state: str, due_at: dt.datetime, now: dt.datetime) -> str:
    """The status of a task."""
    if state not in _NOT_STARTED:
        return state
    return SCHEDULED if due_at > now else WAITING


def domain(operator: str, value: Any, now: dt.datetime) -> list[Any]:
    """A domain on the columns, for one on the status.

    :param operator: ``=``, ``!=``, ``in`` or ``not in``.
    """
    named = {value} if isinstance(value, str) else set(value or ())
    wanted = {status for status, _ in CHOICES if status in named}
    if operator in ("!=", "not in"):
        wanted = {status for status, _ in CHOICES} - wanted
    either: list[Any] = [("state", "in", sorted(wanted - {SCHEDULED, WAITING}))]
    for status, is_due in ((SCHEDULED, ">"), (WAITING, "<=")):
        if status in wanted:
            either.append([("state", "in", _NOT_STARTED), ("due_at", is_due, now)])
    return ["OR", *either]


def waited(task: Any, now: dt.datetime) -> dt.timedelta | None:
    """How long a task has waited for its latest start; None before it is due."""
    status = of(task.state, task.due_at, now)
    if status == WAITING:
        return _rounded(now - task.due_at)
    if status == SCHEDULED or task.started_at is None:
        return None
    return _rounded(task.started_at - task.due_at)


def ran(task: Any, now: dt.datetime) -> dt.timedelta | None:
    """How long the latest attempt of a task has run; None if none has begun."""
    if task.started_at is None or task.state in _NOT_STARTED:
        return None
    return _rounded((task.finished_at or now) - task.started_at)


def _rounded(taken: dt.timedelta) -> dt.timedelta:
    """A duration to whole seconds, one below a second to hundredths."""
    seconds = max(taken.total_seconds(), 0)
    return dt.timedelta(seconds=round(seconds, 0 if seconds >= 1 else 2))
