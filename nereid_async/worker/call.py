"""The call that a message asks for: found and read, then made.

What fails before the call is made says that this worker's code is not the one that the
message was written for. What fails in the call is the task's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..deferral import TaskOptions
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


@dataclass(frozen=True)
class Call:
    """A callable and what it is given.

    :ivar options: as the task declares them, which a message cannot tell.
    """

    name: str
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    @property
    def options(self) -> TaskOptions:
        return getattr(self.function, "task_options", None) or TaskOptions()

    def __call__(self) -> Any:
        """Make the call; returns its value.

        :raises NotTaken: the task takes other arguments.
        :raises BaseException: whatever the task raises.
        """
        try:
            return self.function(*self.args, **self.kwargs)
        except TypeError as error:
            # Looked at now only: a call that fits costs nothing more.
            misfit = _misfit(self.function, self.args, self.kwargs)
            if misfit is None:
                raise
            raise NotTaken(
                UnknownArguments(f"{self.name} takes other arguments: {misfit}")
            ) from error


def find(message: Message, *, only_tasks: bool) -> Call:
    """Find what a message asks for, and read its arguments.

    :param only_tasks: whether methods without the decorator are refused.
    :raises NotTaken: the task is not here, or an argument cannot be read here.
    """
    with _taking():
        return Call(
            message.target.name,
            resolve(message.target, only_tasks=only_tasks),
            [decode(value) for value in message.args],
            {name: decode(value) for name, value in message.kwargs.items()},
        )


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
