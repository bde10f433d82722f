"""What a test expects of a call, and how captured calls differ from it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from trytond.model import Model

from ..messages.message import Target
from ..messages.values import record_id
from ..targets import function_target, is_task, method_target
from ..task import ConfiguredTask
from ..task_options import TaskOptions
from .call_record import CallRecord
from .captured_call import CapturedCall
from .texts import Difference, shown

#: unittest leaves the frames of such modules out of tracebacks.
__unittest = True

_OPTIONS = TaskOptions.__dataclass_fields__.keys() - {"retry_on", "public_errors"}


class Expectation:
    """A call that a test expects.

    :param task: the task, as it was deferred: ``Model.method``, ``record.method`` or a
        function.
    :param args: expected positional arguments.
    :param keywords: expected keyword arguments, and options; what is a parameter of
        the task is its argument. Without any argument, none is compared.
    :raises TypeError: it is no task, or it does not take such arguments.
    :raises SerializationError: a record is not saved, so it cannot be in a call.
    """

    def __init__(
        self, task: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> None:
        _refuse_configured(task)
        self._signature = _signature(task)
        self.target, rest = _target(task, args)
        self._takes_record = is_task(task) and task.takes_record
        arguments, self.options = self._divided(keywords)
        self._arguments: dict[str, Any] | None = None
        if rest or arguments:
            self._arguments = self._bound(rest, arguments)
        for name, value in {**(self._arguments or {}), **self.options}.items():
            _check_saved(value, f"{self.target.name}: {name}")

    def is_for(self, call: CallRecord) -> bool:
        """Whether a call is one of the task."""
        found = call.message.target
        mine = self.target
        return (found.kind, found.owner, found.method) == (
            mine.kind,
            mine.owner,
            mine.method,
        )

    def differences(self, record: CallRecord) -> list[Difference]:
        """What differs in a call of the task."""
        call = CapturedCall(record)
        with record.transaction():
            return [*self._of_record(call), *self._of_arguments(call)] + [
                Difference(f"option {name}", value, call.options[name])
                for name, value in self.options.items()
                if not _is_same(value, call.options[name])
            ]

    def __str__(self) -> str:
        record = self.target.instance
        values = [] if record is None else [f"{self.target.owner}({record})"]
        if self._arguments is None:
            values.append("...")
        else:
            values += [f"{name}={shown(it)}" for name, it in self._arguments.items()]
        options = ", ".join(f"{name}={it!r}" for name, it in self.options.items())
        call = f"{self.target.name}({', '.join(values)})"
        return f"{call} with {options}" if options else call

    def _of_record(self, call: CapturedCall) -> Iterator[Difference]:
        record, found = self.target.instance, call.record.message.target.instance
        if record is not None and record != found:
            owner = self.target.owner
            yield Difference("record", _Shown(owner, record), _Shown(owner, found))

    def _of_arguments(self, call: CapturedCall) -> Iterator[Difference]:
        if self._arguments is None:
            return
        found = self._bound(call.args, call.kwargs)
        for name, value in self._arguments.items():
            if name not in found:
                yield Difference(name, value, None, is_there=False)
            elif not _is_same(value, found[name]):
                yield Difference(name, value, found[name])

    def _divided(
        self, keywords: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keywords that are arguments, and those that are options."""
        parameters = self._signature.parameters
        takes_any = any(it.kind is it.VAR_KEYWORD for it in parameters.values())
        arguments = {k: v for k, v in keywords.items() if k in parameters or takes_any}
        options = {k: v for k, v in keywords.items() if k not in arguments}
        for name in options.keys() - _OPTIONS:
            raise TypeError(
                f"{name}={shown(options[name])}: {self.target.name} has no such "
                f"parameter, and defer no such option; there are: "
                f"{', '.join(sorted(_OPTIONS))}"
            )
        return arguments, options

    def _bound(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The arguments by the names of their parameters, with the defaults.

        :raises TypeError: the task does not take them.
        """
        record = [None] if self._takes_record else []
        try:
            bound = self._signature.bind(*record, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.target.name}: {error}") from None
        bound.apply_defaults()
        return dict(list(bound.arguments.items())[len(record) :])


class _Shown:
    """A record of a difference, which need not be read."""

    def __init__(self, owner: str, record: int | None) -> None:
        self._text = f"{owner}({record})"

    def __repr__(self) -> str:
        return self._text


def _refuse_configured(task: Any) -> None:
    if isinstance(task, ConfiguredTask):
        raise TypeError(
            "what configure() returns: expect its options as keywords, such as "
            "assert_called(Model.method, queue='mail')"
        )


def _signature(task: Any) -> inspect.Signature:
    if is_task(task):
        return task.configure().signature  # type: ignore[no-any-return]
    if not callable(task):
        raise TypeError(f"{task!r} is no task: give Model.method, or a function")
    return inspect.signature(task)


def _target(task: Any, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
    if is_task(task):
        return task.configure().target_of(args)  # type: ignore[no-any-return]
    # Through ``async.async``, methods without the decorator may be deferred.
    owner = getattr(task, "__self__", None)
    if owner is None:
        return function_target(task), args
    if isinstance(owner, type):
        return method_target(owner, task.__name__), args
    return method_target(type(owner), task.__name__, owner), args


def _is_same(expected: Any, found: Any) -> bool:
    # This way round, so that unittest.mock.ANY decides.
    return bool(expected == found)


def _check_saved(value: Any, path: str) -> None:
    """Check that the records in a value are saved.

    :raises SerializationError: one is not.
    """
    if isinstance(value, Model):
        record_id(value, path)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _check_saved(inner, f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            _check_saved(inner, f"{path}[{number}]")
