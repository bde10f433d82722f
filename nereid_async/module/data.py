"""Arguments and results of tasks, as text for the Tryton client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trytond.pool import Pool
from trytond.transaction import check_access, inactive_records

from nereid_async.errors import NereidAsyncError
from nereid_async.messages.message import Message
from nereid_async.messages.outcome import Failure
from nereid_async.messages.readable import readable
from nereid_async.messages.serialization import loads
from nereid_async.runtime import current


def arguments(task: Any) -> str:
    """The arguments of a task, one a line.

    :param task: row of ``async.task``.
    :raises NereidAsyncError: they cannot be decoded here.
    """
    message = current().codec.decode(task.message)
    named = [f"{name} = {readable(it)}" for name, it in message.kwargs.items()]
    return "\n".join([*map(readable, message.args), *named])


def returned(task: Any) -> str:
    """The result of a task; empty if it has none, or it is not kept.

    :param task: row of ``async.task``.
    :raises NereidAsyncError: it cannot be decoded here.
    """
    if task.result is None:
        return ""
    value = current().outcomes.from_json(task.uuid, loads(task.result)).value
    return "" if value is None else readable(value)


def shown(read: Callable[[Any], str], task: Any) -> str:
    """A value of a task as text; the error's text if it cannot be decoded.

    :param read: reads the value of a row.
    """
    try:
        return read(task)
    except NereidAsyncError as error:
        return f"({error})"


def _message(task: Any) -> Message | None:
    try:
        return current().codec.decode(task.message)
    except NereidAsyncError:
        return None


def website_user(task: Any) -> str | None:
    """The name of the website user who was logged in when a task was deferred."""
    message = _message(task)
    if message is None or message.web is None or message.web.user is None:
        return None
    pool = Pool()
    if "nereid.user" not in dict(pool.iterobject()):
        return None
    found = pool.get("nereid.user").search([("id", "=", message.web.user)])
    return found[0].rec_name if found else None


def permitted(records: dict[int, Any]) -> dict[int, str | None]:
    """Records as references, without those that are gone or not for this user.

    :param records: records, or None, by task.
    """
    pool = Pool()
    wanted: dict[str, set[int]] = {}
    for record in filter(None, records.values()):
        wanted.setdefault(record.__name__, set()).add(record.id)
    models = dict(pool.iterobject())
    access = pool.get("ir.model.access")
    found: set[str] = set()
    for model, ids in wanted.items():
        with check_access(), inactive_records():
            if model in models and access.check(model, raise_exception=False):
                seen = pool.get(model).search([("id", "in", list(ids))])
                found.update(map(str, seen))
    return {
        task: str(record) if str(record) in found else None
        for task, record in records.items()
    }


def failure(error: str | None) -> str:
    """The kind and the text of an error, as it is kept in a row."""
    if error is None:
        return ""
    try:
        failed = Failure.from_json(loads(error), "")
    except NereidAsyncError:
        return error
    return f"{failed.type}: {failed.message}"
