"""What ``defer`` does: builds the message of a call, and sends it after the commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from trytond.transaction import Transaction

from . import pending
from .deferred_call import DeferredCall
from .errors import (
    ConfigurationError,
    DelayTooLong,
    NereidAsyncError,
    NoTransaction,
)
from .limits import (
    PRIORITY_DEFAULT,
)
from .membership import joined_id
from .messages.message import Message, Target
from .messages.message_codec import argument_name
from .messages.serialization import Json, encode
from .queue_selection import is_ordered
from .result import AsyncResult
from .runtime import Caller, Runtime, current
from .task_options import TaskOptions
from .unique import UniqueCall, key_of_arguments, unique_key

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A call that is to be deferred.

    :ivar args: without the record whose method is called.
    :ivar options: those of this call, see :meth:`TaskOptions.of_call`.
    :ivar names: names of the positional parameters, for errors.
    """

    target: Target
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: TaskOptions
    names: Sequence[str] = ()


def defer_call(call: Call) -> AsyncResult:
    """Defer a call until the current transaction has committed.

    :raises NoTransaction: no transaction is open.
    :raises SerializationError: an argument or a context value cannot be serialised.
    :raises MessageTooLarge: the message is larger than the queue takes.
    :raises DelayTooLong: without an outbox, for longer than the queue can delay.
    :raises ConfigurationError: the settings, or the database, are not usable, or an
        option needs a row, and there is no outbox.
    """
    deferral = Deferral(call)
    (result,) = deferral.defer([deferral.made(call)])
    return result


def defer_calls(calls: Sequence[Call]) -> list[AsyncResult]:
    """Defer several calls of one task: all of them, or none.

    :param calls: their options differ in their texts only.
    :returns: the handles, in the order of the calls.
    :raises NereidAsyncError: as :func:`defer_call`; the text says which call it was.
    """
    if not calls:
        return []
    deferral = Deferral(calls[0])
    return deferral.defer(each(deferral.made, calls))


def each(do: Callable[[T], S], items: Sequence[T]) -> list[S]:
    """Do the same with each of the items that ``defer_many`` was given.

    :raises TypeError: the arguments of one do not fit; its number is in the text, as
        in the texts of the package's own errors.
    """
    done: list[S] = []
    try:
        for item in items:
            done.append(do(item))
    except (NereidAsyncError, TypeError) as error:
        text = f"calls[{len(done)}]: {error}"
        error.args = (text, *error.args[1:])
        if isinstance(error, ConfigurationError):
            # What click shows; its type says that it never changes.
            error.message = text  # type: ignore[misc]
        raise
    return done


class Deferral:
    """Defers calls of one task, in one transaction.

    What is the same for all of them is found, checked and encoded once.

    :param first: one of the calls; the options of the others differ in their texts
        only.
    """

    def __init__(self, first: Call) -> None:
        task, options = first.target.name, first.options
        if Transaction().database is None:
            raise NoTransaction(
                f"{task} was deferred without a Tryton transaction, so there is no "
                "commit to wait for; defer it inside `with Transaction().start(...)`"
            )
        runtime = self._runtime = current()
        if runtime.rows is not None:
            runtime.check_database()
        _check_delay(task, options, runtime)
        _check_rows(task, options, runtime)
        if options.queue is not None:
            runtime.broker.check_queue(options.queue)
        caller = runtime.caller(options.delay, options.shared)
        self._owner = caller.owner
        self._shared = _shared_fields(task, options, runtime, caller)

    def made(self, call: Call) -> DeferredCall:
        """Make the message of a call, which is deferred by :meth:`defer`."""
        runtime, where = self._runtime, call.target.name
        _check_group(where, call.options, runtime)
        args = [
            encode(value, f"{where}: argument {argument_name(i, call.names)}")
            for i, value in enumerate(call.args)
        ]
        kwargs = {
            name: encode(value, f"{where}: argument {name!r}")
            for name, value in call.kwargs.items()
        }
        key = call.options.key
        if key is True:
            key = key_of_arguments(call.target.instance, args, kwargs, call.names)
        message = Message(
            id=runtime.task_ids.new(self._owner),
            target=call.target,
            args=args,
            kwargs=kwargs,
            # TaskOptions.of_call() has put a text in place of a callable.
            group=cast("str | None", call.options.group),
            key=cast("str | None", key),
            **self._shared,
        )
        message = runtime.tracing.deferred(message)
        encode_message = partial(runtime.codec.encode, names=call.names)
        if message.key is None:
            return DeferredCall(message, encode_message(message))
        options = call.options
        unique = unique_key(
            message, options.on_conflict, options.unique_until, self._owner
        )
        return UniqueCall(message, encode_message, unique)

    def defer(self, calls: Sequence[DeferredCall]) -> list[AsyncResult]:
        """Send the calls when the transaction has committed; returns their handles."""
        runtime = self._runtime
        return [
            AsyncResult(
                met.id,
                runtime=runtime,
                deferred=met,
                is_new=met is call and met.is_new,
            )
            for call, met in zip(calls, pending.defer(runtime, calls), strict=True)
        ]


def _check_delay(task: str, options: TaskOptions, runtime: Runtime) -> None:
    limit = runtime.broker.max_delay_s
    if runtime.rows is None and limit is not None and options.delay > limit:
        raise DelayTooLong(
            f"{task}: a delay of {options.delay:g} s without an outbox; the "
            f"queue holds a message for {limit:g} s at most. Set outbox = yes",
            delay_s=options.delay,
            limit_s=limit,
        )


def _check_rows(task: str, options: TaskOptions, runtime: Runtime) -> None:
    if runtime.rows is None and options.cancellable:
        raise ConfigurationError(
            f"{task}: cancellable=True needs a row of the task, and there is "
            "none without an outbox. Set outbox = yes"
        )
    if runtime.rows is None and options.key is not None:
        raise ConfigurationError(
            f"{task}: key={options.key!r} needs a row of the task, and there is "
            "none without an outbox. Set outbox = yes"
        )
    if not runtime.settings.outbox and options.priority != PRIORITY_DEFAULT:
        raise ConfigurationError(
            f"{task}: priority={options.priority} needs a row of the task, and "
            "there is none without an outbox. Set outbox = yes, or give urgent tasks a "
            "queue of their own"
        )


def _check_group(task: str, options: TaskOptions, runtime: Runtime) -> None:
    settings = runtime.settings
    if options.group is not None and not settings.outbox:
        raise ConfigurationError(
            f"{task}: group={options.group!r} needs a row of the task, and there is "
            "none without an outbox. Set outbox = yes"
        )
    queue = options.queue or settings.sqs_queue
    if not is_ordered(queue):
        return
    if options.group is None:
        raise ConfigurationError(
            f"{task}: queue {queue} keeps the order within a group, and the task has "
            "none. Give it one, such as group='all', or another queue"
        )
    if options.priority != PRIORITY_DEFAULT:
        raise ConfigurationError(
            f"{task}: priority={options.priority} in queue {queue}, where tasks run in "
            "the order in which they were deferred. Leave it out, or use another queue"
        )


def _shared_fields(
    task: str, options: TaskOptions, runtime: Runtime, caller: Caller
) -> dict[str, Any]:
    """The fields of messages that all calls of a deferral have in common."""
    transaction = Transaction()
    settings = runtime.settings
    return {
        "database": transaction.database.name,
        "user": transaction.user,
        "context": {
            key: encode(value, f"{task}: context key {key!r}")
            for key, value in transaction.context.items()
            if not key.startswith("_")
        },
        "queue": options.queue or settings.sqs_queue,
        "deferred_at_s": round(time.time(), 3),
        "delay_s": options.delay,
        "priority": options.priority,
        "visibility_timeout_s": _given(
            options.visibility_timeout, settings.visibility_timeout
        ),
        "max_attempts": _given(options.max_attempts, settings.max_attempts),
        "retry_delay_s": _given(options.retry_delay, settings.retry_delay),
        "keep_result": not options.ignore_result,
        "for_browser": caller.owner.kind != "nobody",
        "outbox": runtime.rows is not None,
        "web": caller.web,
        "attributes": _encoded(options.attributes, f"{task}: attributes"),
        "identity": runtime.identity.value,
        "cancellable": options.cancellable,
        "time_limit_s": _given(options.time_limit, settings.time_limit),
        "notify": options.notify,
        "batch": joined_id(transaction),
    }


def _encoded(attributes: dict[str, Any] | None, path: str) -> dict[str, Json] | None:
    if attributes is None:
        return None
    return {name: encode(value, path) for name, value in attributes.items()}


def _given(option: T | None, setting: T) -> T:
    return setting if option is None else option
