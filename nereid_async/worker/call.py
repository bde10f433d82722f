"""Makes the call that a message asks for: resolves the target, decodes the arguments.

An error before the call means that this worker's code does not fit the message
(:class:`NotTaken`). An error in the call is the task's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Whoever makes calls knows the tasks that are built in.
from .. import mail  # noqa: F401
from ..errors import MessageError, UnknownArguments
from ..messages.message import Message
from ..messages.serialization import decode
from ..targets import resolve
from ..task_options import TaskOptions


class NotTaken(Exception):
    """This worker's code cannot run the message, a newer worker may. Nothing ran.

    :ivar error: what is missing here.
    """

    def __init__(self, error: MessageError) -> None:
        super().__init__(str(error))
        self.error = error


def context_of(message: Message) -> dict[str, Any]:
    """Decode the transaction context that the task runs with.

    :raises NotTaken: a value in it cannot be decoded here.
    """
    with _taking():
        return {key: decode(value) for key, value in message.context.items()}


@dataclass(frozen=True)
class Call:
    """A call that is ready to be made: a callable with its arguments.

    :ivar name: name of the task, for errors.
    """

    name: str
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    @property
    def options(self) -> TaskOptions:
        """The options of the task's declaration, which has its exception classes."""
        return getattr(self.function, "task_options", None) or TaskOptions()

    def __call__(self) -> Any:
        """Make the call and return its value.

        :raises NotTaken: the task takes other arguments.
        :raises BaseException: whatever the task raises.
        """
        try:
            return self.function(*self.args, **self.kwargs)
        except TypeError as error:
            # Checked after a failure only: a call that fits costs nothing more.
            misfit = _misfit(self.function, self.args, self.kwargs)
            if misfit is None:
                raise
            raise NotTaken(
                UnknownArguments(f"{self.name} takes other arguments: {misfit}")
            ) from error


def find(message: Message, *, only_tasks: bool) -> Call:
    """Resolve the target of a message and decode its arguments.

    :param only_tasks: whether methods without the decorator are refused.
    :raises NotTaken: the task does not exist here, or an argument cannot be decoded
        here.
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
        # Callables written in C may have no signature.
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return None
