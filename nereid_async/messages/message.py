"""Deferred calls: what is called, with what, as whom, and how it is carried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import BadMessage
from ..limits import PRIORITY_DEFAULT
from ..settings import Settings
from .pointer import Pointer
from .serialization import TAG, Json, decode
from .wire_fields import Types, check_types, is_id


@dataclass(frozen=True)
class Target:
    """The method or function that a message calls.

    :ivar kind: ``"model"``, ``"report"`` or ``"wizard"`` of the pool, or
        ``"function"``.
    :ivar owner: the class's Tryton name, or the function's Python module.
    :ivar method: the method's name, or the function's qualified name.
    :ivar instance: id of the record whose method is called; None for a class's.
    """

    kind: str
    owner: str
    method: str
    instance: int | None = None

    @property
    def name(self) -> str:
        """The name of the task in logs and rows."""
        separator = ":" if self.kind == "function" else "."
        return f"{self.owner}{separator}{self.method}"


@dataclass(frozen=True)
class WebRequest:
    """The web context of a task: facts of the web request that deferred it.

    :ivar website: id of the ``nereid.website``; None without Nereid.
    :ivar locale: id of the ``nereid.website.locale``; None without Nereid.
    :ivar language: language code of the transaction.
    :ivar base_url: scheme, host and root path, such as ``https://shop.example.com/``.
    :ivar user: id of the ``nereid.user`` logged in; None for an anonymous visitor.
    """

    website: int | None
    locale: int | None
    language: str
    base_url: str
    user: int | None = None


@dataclass(frozen=True)
class Message:
    """One deferred call.

    :ivar id: the task's uuid.
    :ivar args: encoded positional arguments.
    :ivar kwargs: encoded keyword arguments.
    :ivar user: id of the Tryton user as whom it runs.
    :ivar context: encoded transaction context.
    :ivar queue: short name of its queue.
    :ivar delay_s: seconds that it waits after the commit.
    :ivar priority: 0 to 9; of the due tasks of a queue, priority 0 runs first.
    :ivar visibility_timeout_s: seconds that a claim holds without a heartbeat.
    :ivar max_attempts: attempts before the task fails.
    :ivar time_limit_s: seconds that an attempt may take; None for any number.
    :ivar retry_delay_s: seconds before the second attempt, which double with each
        further one.
    :ivar keep_result: whether the value is kept for the owner.
    :ivar for_browser: whether a browser may read the value.
    :ivar outbox: whether it was deferred with a row; if the row is gone, it must not
        run.
    :ivar web: the web request that deferred it; None outside of one.
    :ivar deferred_at_s: when it was deferred, in seconds since 1970 (UTC).
    :ivar attributes: encoded SQS message attributes.
    :ivar identity: identity of its database, which tells it from one of the same name;
        None in messages of an earlier release.
    :ivar cancellable: whether its owner may cancel it from the browser.
    :ivar notify: whether its end is shown to its user in the Tryton client.
    :ivar trace: W3C Trace Context in which it was deferred: ``traceparent``, and maybe
        ``tracestate``; None if that was not traced.
    :ivar key: the key of a unique task; None for none.
    :ivar group: its group, for order and fairness; None for none.
    :ivar batch: id of the batch that it is a member of; None for none.
    """

    id: str
    database: str
    target: Target
    args: list[Json]
    kwargs: dict[str, Json]
    user: int
    context: dict[str, Json]
    queue: str
    deferred_at_s: float
    delay_s: float = 0
    priority: int = PRIORITY_DEFAULT
    visibility_timeout_s: int = Settings.visibility_timeout
    max_attempts: int = Settings.max_attempts
    retry_delay_s: float = 1.0
    keep_result: bool = False
    for_browser: bool = False
    outbox: bool = True
    web: WebRequest | None = None
    attributes: dict[str, Json] | None = None
    identity: str | None = None
    cancellable: bool = False
    time_limit_s: float | None = None
    notify: bool = False
    trace: dict[str, str] | None = None
    key: str | None = None
    group: str | None = None
    batch: str | None = None

    @property
    def trace_id(self) -> str | None:
        """The id of its trace, as 32 hexadecimal digits; None if it is not traced."""
        parts = (self.trace or {}).get("traceparent", "").split("-")
        return parts[1] if len(parts) > 1 else None

    @property
    def record(self) -> str | None:
        """The record that it is about, as ``model,id``; None if there is none.

        The one whose method is called, or else the first argument that is one.
        """
        if self.target.instance is not None:
            return f"{self.target.owner},{self.target.instance}"
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, dict) and value.get(TAG) == "record":
                return f"{value['m']},{value['v']}"
        return None

    @property
    def sqs_attributes(self) -> dict[str, Any] | None:
        """The SQS message attributes, in the form of boto3."""
        if self.attributes is None:
            return None
        return {name: decode(value) for name, value in self.attributes.items()}

    @property
    def due_at_s(self) -> float:
        """When its first attempt was due, in seconds since 1970 (UTC)."""
        return self.deferred_at_s + self.delay_s

    @property
    def pointer(self) -> Pointer:
        """The pointer to send if it has a row."""
        return Pointer(
            self.id,
            self.database,
            self.identity,
            self.queue,
            self.target.name,
            self.max_attempts,
            self.keep_result,
        )


_CHECKED: Types = {
    "id": str,
    "database": str,
    "args": list,
    "kwargs": dict,
    "user": int,
    "context": dict,
    "queue": str,
    "delay_s": (int, float),
    "visibility_timeout_s": int,
    "max_attempts": int,
    "retry_delay_s": (int, float),
    "deferred_at_s": (int, float),
    "outbox": bool,
    "identity": (str, type(None)),
    "time_limit_s": (int, float, type(None)),
    "trace": (dict, type(None)),
    "key": (str, type(None)),
    "group": (str, type(None)),
    "batch": (str, type(None)),
}
_TARGET_CHECKED: Types = {
    "kind": str,
    "owner": str,
    "method": str,
    "instance": (int, type(None)),
}


def check_fields(message: Message) -> None:
    """Check types, so that a bad message does not break the batch it came with.

    :raises BadMessage: it names the field.
    """
    check_types(message, _CHECKED)
    check_types(message.target, _TARGET_CHECKED)
    if not is_id(message.id):
        raise BadMessage("its id is no uuid")
    if not all(isinstance(it, str) for it in (message.trace or {}).values()):
        raise BadMessage("its trace context is no text")
