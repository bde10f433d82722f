"""The row protocol: every statement on ``async_task`` and ``async_run``.

``async_task`` is the outbox, the guard that makes effects single, and the result
store; ``async_run`` holds what changes while a task runs. A claim writes a fresh
token; only the run that holds it can finish, and it does so in its own transaction,
with the last statement before the commit. So however often a message is delivered,
one run commits. All times are UTC by the database's own clock.
"""

from __future__ import annotations

from .claims import ClaimRows
from .maintenance import MaintenanceRows
from .outbox import OutboxRows
from .records import Claim, Row, Starts, UnsentRow
from .requeue import RequeueRows
from .resends import ResendRows
from .runs import RunRows
from .statements import CHANNEL
from .status import StatusRows
from .unread import UnreadMessage, UnreadRows

__all__ = [
    "CHANNEL",
    "Claim",
    "Row",
    "Starts",
    "TaskRows",
    "UnreadMessage",
    "UnsentRow",
]


class TaskRows(
    OutboxRows,
    ResendRows,
    ClaimRows,
    RunRows,
    StatusRows,
    MaintenanceRows,
    UnreadRows,
    RequeueRows,
):
    """The rows of one database. Thread-safe; survives a fork.

    :param database: the database's name.
    :param outcomes: how outcomes are kept; in plain text by default.
    """
