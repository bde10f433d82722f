"""Arguments and results of tasks, for those who may see them in the client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nereid_async.errors import NereidAsyncError
from nereid_async.messages.serialization import loads
from nereid_async.runtime import current


def arguments(task: Any) -> Any:
    """Of a row of ``async.task``.

    :raises NereidAsyncError: they cannot be read here.
    """
    message = current().codec.decode(task.message)
    return {"args": message.args, "kwargs": message.kwargs}


def returned(task: Any) -> Any:
    """What the task has given back, if it is kept.

    :raises NereidAsyncError: it cannot be read here.
    """
    if task.result is None:
        return None
    return current().outcomes.from_json(task.uuid, loads(task.result)).value


def shown(read: Callable[[Any], Any], task: Any) -> str:
    """As text; what keeps it from being read, where it cannot be."""
    try:
        value = read(task)
    except NereidAsyncError as error:
        return f"({error})"
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
