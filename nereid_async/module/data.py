"""Arguments and results of tasks, decoded for the Tryton client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nereid_async.errors import NereidAsyncError
from nereid_async.messages.serialization import loads
from nereid_async.runtime import current


def arguments(task: Any) -> Any:
    """The arguments of a task.

    :param task: row of ``async.task``.
    :raises NereidAsyncError: they cannot be decoded here.
    """
    message = current().codec.decode(task.message)
    return {"args": message.args, "kwargs": message.kwargs}


def returned(task: Any) -> Any:
    """The result of a task; None if it is not kept.

    :param task: row of ``async.task``.
    :raises NereidAsyncError: it cannot be decoded here.
    """
    if task.result is None:
        return None
    return current().outcomes.from_json(task.uuid, loads(task.result)).value


def shown(read: Callable[[Any], Any], task: Any) -> str:
    """A value of a task as JSON text; the error's text if it cannot be decoded.

    :param read: reads the value of a row.
    """
    try:
        value = read(task)
    except NereidAsyncError as error:
        return f"({error})"
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
