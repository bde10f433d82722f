"""The row protocol: every statement on ``async_task`` and the tables beside it.

``async_task`` is the outbox, the guard that lets each task take effect once, and the
result store; ``async_run`` holds what changes while a task runs, ``async_attempt`` what
went wrong, ``async_worker`` the worker processes, ``async_batch`` the batches. A claim
writes a new token. Only the run with that token can finish, by the last statement of
its own transaction, so only one run commits, however often a message is delivered. All
times are UTC by the database's clock.
"""

from __future__ import annotations

from .attempts import AttemptRows
from .batches import BatchRows
from .cancel import CancelRows
from .claims import ClaimRows
from .listing import ListedTask, ListingRows, Selection
from .maintenance import MaintenanceRows
from .overview import OverviewRows, QueueOverview
from .queues import Pause, QueueRows, RunningTask
from .records import (
    BatchRow,
    CancelRequest,
    Claim,
    EndedBatch,
    FailedAttempt,
    ListedBatch,
    OpenBatches,
    Row,
    Starts,
    UniqueKey,
    UnsentRow,
)
from .requeue import RequeueRows
from .resends import ResendRows
from .runs import RunRows
from .statements import CHANNEL
from .unique import Placed
from .workers import ListedWorker

__all__ = [
    "CHANNEL",
    "BatchRow",
    "CancelRequest",
    "Claim",
    "EndedBatch",
    "FailedAttempt",
    "ListedBatch",
    "ListedTask",
    "ListedWorker",
    "OpenBatches",
    "Pause",
    "Placed",
    "QueueOverview",
    "Row",
    "RunningTask",
    "Selection",
    "Starts",
    "TaskRows",
    "UniqueKey",
    "UnsentRow",
]


class TaskRows(
    ResendRows,
    ClaimRows,
    RunRows,
    AttemptRows,
    BatchRows,
    MaintenanceRows,
    RequeueRows,
    CancelRows,
    QueueRows,
    OverviewRows,
    ListingRows,
):
    """The rows of one database. Thread-safe; survives a fork.

    :param database: name of the database.
    :param outcomes: encodes outcomes; None for no encryption.
    """
