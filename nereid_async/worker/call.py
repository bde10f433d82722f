"""The call that a message asks for: found and read, then made.

What fails before the call is made says that this worker's code is not the one that the
message was written for. What fails in the call is the task's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import MessageError, UnknownArguments
from ..messages.message import Message
from ..messages.serialization import decode
from ..targets import resolve


class NotTaken(Exception):
    """This worker's code cannot take the message, a newer one may. Nothing of it ran.

    :ivar error: what is missing.
    """

    def __init__(self, error: MessageError) -> None:
        super().__init__(str(error))
        self.error = error


def context_of(message: Message) -> dict[str, Any]:
    """The transaction context that the task runs with.

    :raises NotTaken: a value in it cannot be read here.
    """
    with _taking():
        return {key: decode(value) for key, value in message.context.items()}


def make(message: Message, *, only_tasks: bool) -> Any:
    """Make the call; returns its value.

    :param only_tasks: whether methods without the decorator are refused.

    :raises NotTaken: the task is not here, takes other arguments, or one of them
        cannot be read here.
    :raises BaseException: whatever the task raises.
    """
    with _taking():
        call = resolve(message.target, only_tasks=only_tasks)
        args = [decode(value) for value in message.args]
        kwargs = {name: decode(value) for name, value in message.kwargs.items()}
    try:
        return call(*args, **kwargs)
    except TypeError as error:
        # Looked at now only: a call that fits costs nothing more.
        misfit = _misfit(call, args, kwargs)
        if misfit is None:
            raise
        raise NotTaken(
            UnknownArguments(f"{message.target.name} takes other arguments: {misfit}")
        ) from error


@contextmanager
def _taking() -> Iterator[None]:
    try:
        yield
    except MessageError as error:
        raise NotTaken(error) from error


def _misfit(
    call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """Why the arguments do not fit the signature; None if they do."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        # Of something that is not written in Python.
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return None
