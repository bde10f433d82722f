"""The Tryton module ``async_sqs``: the tables, their views, and the older API."""

from __future__ import annotations

from trytond.pool import Pool

from nereid_async import versions
from nereid_async.task import async_task

from .async_ import AsyncResult, ResultOptions

__all__ = ["AsyncResult", "ResultOptions", "async_task", "register"]


def register() -> None:
    """Register the models; called by trytond when it starts its pool."""
    from . import (
        actions,
        async_,
        attempt,
        batch,
        error,
        hour,
        identity,
        many,
        queue,
        queue_status,
        run,
        task,
    )
    from .worker import Worker

    Pool.register(
        task.Task,
        run.Run,
        queue.Queue,
        queue_status.QueueStatus,
        Worker,
        attempt.Attempt,
        batch.Batch,
        identity.Identity,
        async_.Async,
        actions.Action,
        many.Filter,
        hour.Hour,
        error.Error,
        module="async_sqs",
        type_="model",
    )
    Pool.register(
        actions.Retry,
        actions.Cancel,
        actions.CancelBatch,
        actions.RunNow,
        many.ActOnMany,
        module="async_sqs",
        type_="wizard",
    )
    if versions.series() == "7.0":
        _register_names()


def _register_names() -> None:
    from . import series_7_0

    Pool.register(
        series_7_0.ModelAccess,
        series_7_0.ModelButton,
        series_7_0.ModelFieldAccess,
        module="async_sqs",
        type_="model",
    )
