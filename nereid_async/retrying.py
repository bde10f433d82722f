"""Lets failed and cancelled tasks run again, or deletes them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .errors import TransportError
from .runtime import Runtime

logger = logging.getLogger(__name__)


def retry(runtime: Runtime, ids: Sequence[str]) -> list[str]:
    """Requeue failed and cancelled tasks, and withdraw their old replies.

    Not those whose key another task has, see :func:`key_waits`.

    :returns: the ids of those that run again.
    :raises ConfigurationError: without an outbox, tasks have no row.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    again = runtime.needed_rows.retry_failed(ids)
    _withdraw(runtime, again)
    return again


def key_waits(runtime: Runtime, ids: Sequence[str]) -> dict[str, str]:
    """Which tasks have the keys of failed and cancelled ones, by the ids of those.

    :raises ConfigurationError: without an outbox, tasks have no row.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    return runtime.needed_rows.have_keys_of(ids)


def discard(runtime: Runtime, ids: Sequence[str]) -> list[str]:
    """Delete failed and cancelled tasks, with their errors and old replies.

    :returns: the ids of those that are gone.
    :raises ConfigurationError: without an outbox, tasks have no row.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    gone = runtime.needed_rows.discard(ids)
    _withdraw(runtime, gone)
    return gone


def _withdraw(runtime: Runtime, ids: Sequence[str]) -> None:
    for task_id in ids:
        try:
            runtime.results.withdraw(task_id)
        except TransportError as error:
            logger.warning("task %s: its old reply is still there: %s", task_id, error)
