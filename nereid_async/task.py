"""``async_task``: the decorator that makes a method or a function deferrable.

A decorated method can be called as before, and has ``defer`` and ``configure`` besides.
The wrapper is a descriptor (wrapt), so it works above ``@classmethod`` and
``@staticmethod``; where it is below, the setup of the pool exchanges the two.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import wrapt

from .deferral import Call, defer_call, defer_calls, each
from .errors import ConfigurationError
from .limits import PRIORITY_DEFAULT
from .messages.message import Target
from .prepared_call import PreparedCall
from .result import AsyncResult
from .targets import function_target, method_target
from .task_options import TaskOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .task_types import Declaration, ExceptionClasses, P, R, Task
    from .text_options import KeyOption, OnConflict, TextOption, UniqueUntil

Arguments: TypeAlias = tuple[Any, ...]
_OF_THE_DECLARATION = {"retry_on", "public_errors"}


@overload
def async_task(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def async_task(
    **options: Unpack[Declaration],
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def async_task(
    function: Any = None,
    /,
    *,
    ignore_result: bool = True,
    visibility_timeout: int | None = None,
    queue: str | None = None,
    priority: int = PRIORITY_DEFAULT,
    max_attempts: int | None = None,
    time_limit: float | None = None,
    retry_delay: float | None = None,
    retry_on: ExceptionClasses = (Exception,),
    public_errors: ExceptionClasses = (),
    shared: bool = False,
    cancellable: bool = False,
    notify: bool = False,
    group: TextOption = None,
    key: KeyOption = None,
    on_conflict: OnConflict = "keep",
    unique_until: UniqueUntil = "start",
) -> Any:
    """Make a method of a model, report or wizard, or a function, deferrable.

    Used as ``@async_task`` or ``@async_task(...)``, above or below ``@classmethod``.

    :param ignore_result: drop the value; with False it is kept for the owner.
    :param visibility_timeout: seconds without a heartbeat after which another worker
        may take the task; range and default as the setting ``visibility_timeout``.
    :param queue: short name of its queue; default: the setting ``sqs_queue``.
    :param priority: 0 to 9; of the due tasks of a queue, priority 0 runs first.
    :param max_attempts: attempts before the task fails; range and default as the
        setting ``max_attempts``.
    :param time_limit: seconds that an attempt may take; then it has failed with
        :class:`~.errors.TimeLimitExceeded`. Default: the setting ``time_limit``.
    :param retry_delay: seconds before the second attempt, which double with each
        further one; range and default as the setting ``retry_delay``.
    :param retry_on: exception classes after which the task runs again.
    :param public_errors: exception classes whose texts the owner may read, besides
        Tryton's UserError and UserWarning and those of the setting.
    :param shared: serve the result to anybody who has the link.
    :param cancellable: let the owner cancel it from the browser; needs the outbox.
    :param notify: show its end to its Tryton user in the Tryton client.
    :param group: its group, for order and fairness: up to 255 characters, or a callable
        that takes the call's arguments (a record's method: the record first) and
        returns them.
    :param key: a key of which one task waits at a time, as ``group``; True for the
        arguments themselves. Where the result is kept, it counts per owner, unless
        ``shared``. Needs the outbox.
    :param on_conflict: what a deferral does while a task of its key waits: ``"keep"``
        lets it stand; ``"replace"`` gives it the new arguments, options and due time.
    :param unique_until: until when a task has its key: its ``"start"``, or with
        ``"keep"`` also its ``"finish"``.
    :raises ConfigurationError: an option is out of its range.
    """
    options = TaskOptions().changed(
        ignore_result=ignore_result,
        visibility_timeout=visibility_timeout,
        queue=queue,
        priority=priority,
        max_attempts=max_attempts,
        time_limit=time_limit,
        retry_delay=retry_delay,
        retry_on=_classes("retry_on", retry_on),
        public_errors=_classes("public_errors", public_errors),
        shared=shared,
        cancellable=cancellable,
        notify=notify,
        group=group,
        key=key,
        on_conflict=on_conflict,
        unique_until=unique_until,
    )
    if function is not None:
        return AsyncTask(function, options)
    return functools.partial(AsyncTask, options=options)


def _classes(option: str, given: ExceptionClasses) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else tuple(given)
    if not all(
        isinstance(it, type) and issubclass(it, BaseException) for it in classes
    ):
        raise ConfigurationError(f"{option}={given!r}: exception classes")
    return classes


class ConfiguredTask:
    """A callable that can be called here or deferred.

    :param target: returns the target of a call, and its remaining arguments.
    :ivar task_options: the options of its deferrals.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        options: TaskOptions,
        target: Callable[[Arguments], tuple[Target, Arguments]],
    ) -> None:
        self._function = function
        self._target = target
        self.task_options = options

    def __call__(self, /, *args: Any, _defer_: bool = False, **kwargs: Any) -> Any:
        if _defer_:
            return self.defer(*args, **kwargs)
        return self._function(*args, **kwargs)

    def defer(self, /, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Defer a call: a worker makes it after the current transaction's commit.

        :returns: the handle; its id and url are final.
        :raises DeferralError: no transaction is open, or a worker could not make the
            call.
        :raises MessageError: an argument cannot be serialised, or is too large.
        :raises ConfigurationError: the settings, or the database, are not usable.
        :raises TypeError: the arguments do not fit the signature.
        """
        return defer_call(self._call(args, kwargs))

    def defer_many(self, /, calls: Iterable[Any]) -> list[AsyncResult[Any]]:
        """Defer several calls: all of them, or none.

        It costs less than as many times :meth:`defer`.

        :param calls: the arguments of each: a tuple of positional arguments, or a dict
            of arguments by keyword. Any other value than a list or a set is the only
            argument, such as the record whose method it is.
        :returns: the handles, in the order of the calls.
        :raises TypeError: the arguments of a call do not fit the signature, or are
            neither of these; the text has its number, from 0.
        :raises NereidAsyncError: as :meth:`defer`; if one of the calls is at fault, the
            text has its number.
        """
        if isinstance(calls, (str, bytes, Mapping)) or not isinstance(calls, Iterable):
            name = self._function.__qualname__
            raise TypeError(
                f"{name}.defer_many takes a list of the arguments of each call, not "
                f"a {type(calls).__name__}"
            )
        made = each(lambda item: self._call(*_arguments(item)), list(calls))
        return defer_calls(made)

    def prepare(self, /, *args: Any, **kwargs: Any) -> PreparedCall[Any]:
        """Check a call now, and defer it later: what a batch calls at its end.

        :raises DeferralError: a worker could not make the call.
        :raises TypeError: the arguments do not fit the signature.
        """
        return PreparedCall(self._call(args, kwargs))

    def _call(self, args: Arguments, kwargs: Mapping[str, Any]) -> Call:
        signature = _signature(self._function)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            name = self._function.__qualname__
            raise TypeError(f"{name}: {error}") from None
        target, rest = self._target(args)
        names = list(signature.parameters)[len(args) - len(rest) :]
        options = self.task_options.of_call(
            _with_record(self._function, args), kwargs, target.name
        )
        return Call(target, rest, kwargs, options, names)

    def configure(self, **changes: Any) -> ConfiguredTask:
        """The same callable with other options, for one deferral or several.

        :param changes: ``delay`` (seconds), ``queue``, ``priority``,
            ``ignore_result``, ``visibility_timeout``, ``max_attempts``,
            ``time_limit``, ``retry_delay``, ``shared``, ``attributes``,
            ``cancellable``, ``notify``, ``group``, ``key``, ``on_conflict``,
            ``unique_until``.
        :raises ConfigurationError: an option is unknown or out of its range, or belongs
            into the declaration (``retry_on``, ``public_errors``): messages carry no
            classes.
        """
        for option in _OF_THE_DECLARATION & set(changes):
            raise ConfigurationError(
                f"{option} goes into async_task(), where the worker finds it, and not "
                "into configure()"
            )
        return ConfiguredTask(
            self._function, self.task_options.changed(**changes), self._target
        )

    @property
    def signature(self) -> inspect.Signature:
        """The signature of its deferrals."""
        return _signature(self._function)

    def target_of(self, args: Arguments) -> tuple[Target, Arguments]:
        """The target of a deferral, and its arguments without the record.

        :raises DeferralError: it cannot be deferred.
        :raises SerializationError: the record is not saved.
        """
        return self._target(args)


def _arguments(item: Any) -> tuple[Arguments, Mapping[str, Any]]:
    """The arguments of a call, as ``defer_many`` is given them."""
    if isinstance(item, tuple):
        return item, {}
    if isinstance(item, dict):
        return (), item
    if isinstance(item, (list, set, frozenset)):
        kind = type(item).__name__
        raise TypeError(
            f"a {kind}: the arguments of a call are a tuple, or a dict by keyword; a "
            f"{kind} that is the only argument is in a tuple, too"
        )
    return (item,), {}


def _with_record(function: Any, args: Arguments) -> Arguments:
    """The arguments with the record, if the function is a bound record's method."""
    record = getattr(function, "__self__", None)
    return args if record is None or isinstance(record, type) else (record, *args)


def _signature(function: Any) -> inspect.Signature:
    """The signature of a function or a bound method, cached by the function."""
    plain = getattr(function, "__func__", None)
    return _signature_of(plain or function, bound=plain is not None)


@functools.lru_cache(maxsize=1_024)
def _signature_of(function: Any, bound: bool) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if bound and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        parameters = parameters[1:]
    return signature.replace(parameters=parameters)


class _TaskApi:
    """The methods of both wrapt proxies: the task itself, and a bound one."""

    __wrapped__: Any

    def _deferrable(self) -> ConfiguredTask:
        raise NotImplementedError

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._deferrable()(*args, **kwargs)

    def __dir__(self) -> list[str]:
        # A proxy has the attributes of what it wraps, and does not tell its own.
        own = [name for name in vars(_TaskApi) if not name.startswith("_")]
        return [*dir(self.__wrapped__), *own]

    def defer(self, /, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """See :meth:`ConfiguredTask.defer`."""
        return self._deferrable().defer(*args, **kwargs)

    def defer_many(self, /, calls: Iterable[Any]) -> list[AsyncResult[Any]]:
        """See :meth:`ConfiguredTask.defer_many`."""
        return self._deferrable().defer_many(calls)

    def prepare(self, /, *args: Any, **kwargs: Any) -> PreparedCall[Any]:
        """See :meth:`ConfiguredTask.prepare`."""
        return self._deferrable().prepare(*args, **kwargs)

    def configure(self, **changes: Any) -> ConfiguredTask:
        """See :meth:`ConfiguredTask.configure`."""
        return self._deferrable().configure(**changes)

    @property
    def task_options(self) -> TaskOptions:
        """The options the task was declared with."""
        return self._deferrable().task_options

    @property
    def takes_record(self) -> bool:
        """Whether the first argument is the record whose method is called."""
        return False


class BoundTask(_TaskApi, wrapt.BoundFunctionWrapper[..., Any]):
    """A task as an attribute of a class or a record."""

    def _deferrable(self) -> ConfiguredTask:
        return ConfiguredTask(
            self.__wrapped__, self._self_parent._self_options, self._target
        )

    @property
    def takes_record(self) -> bool:
        """Whether it is a record's method, and the record is not bound."""
        return self._self_binding == "function" and self._self_instance is None

    def _target(self, args: Arguments) -> tuple[Target, Arguments]:
        name: str = self.__wrapped__.__name__
        instance, owner = self._self_instance, self._self_owner
        if isinstance(instance, type):
            # Below @classmethod, wrapt passes the class as the instance.
            return method_target(instance, name), args
        if instance is not None:
            owner = type(instance)
        if self._self_binding != "function":
            return method_target(owner, name), args
        if self.takes_record and args:
            # Model.method.defer(record, ...): the record is the first argument.
            instance, args = args[0], args[1:]
        return method_target(owner, name, instance), args


class AsyncTask(_TaskApi, wrapt.FunctionWrapper[..., Any]):
    """A task as an attribute of its module, or in the __dict__ of its class."""

    __bound_function_wrapper__ = BoundTask

    def __init__(self, function: Any, options: TaskOptions) -> None:
        super().__init__(function, _unused_wrapper)
        self._self_options = options
        owner, _, name = function.__qualname__.rpartition(".")
        if owner:
            _declared.setdefault((function.__module__, owner), set()).add(name)

    def _deferrable(self) -> ConfiguredTask:
        return ConfiguredTask(self.__wrapped__, self._self_options, self._target)

    def _target(self, args: Arguments) -> tuple[Target, Arguments]:
        return function_target(self.__wrapped__), args


def _unused_wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    # wrapt requires one; calls go through _TaskApi.__call__.
    return wrapped(*args, **kwargs)


# -- overriding without the decorator ------------------------------------------

#: Names of the tasks of each class, by the class's module and qualified name.
_declared: dict[tuple[str, str], set[str]] = {}


def keep_deferrable(cls: type) -> None:
    """Keep the tasks of a class deferrable where a module overrides them undecorated.

    Called for each class of the pool when the pool is set up, in which a Tryton module
    extends a class of another one by a subclass. It also exchanges tasks with
    ``@classmethod`` and ``@staticmethod`` above them.
    """
    for base in cls.__mro__:
        for name in sorted(_declared.get((base.__module__, base.__qualname__), ())):
            _turn_inside_out(base, name)
            found = [b.__dict__[name] for b in cls.__mro__ if name in b.__dict__]
            tasks = [task for task in map(_task_in, found) if task is not None]
            if tasks and _task_in(found[0]) is None:
                setattr(cls, name, AsyncTask(found[0], tasks[0].task_options))


def _turn_inside_out(base: type, name: str) -> None:
    """Put a task above ``@classmethod`` or ``@staticmethod`` if it is below.

    Below, the descriptor is not told its class: never below ``@staticmethod``, and from
    Python 3.13 on not below ``@classmethod`` either.
    """
    attribute = base.__dict__.get(name)
    # Not isinstance(): a task is a proxy, so one above a classmethod seems to be one.
    kind, task = type(attribute), _task_in(attribute)
    if task is not None and kind in (classmethod, staticmethod):
        setattr(base, name, AsyncTask(kind(task.__wrapped__), task.task_options))


def _task_in(attribute: Any) -> AsyncTask | None:
    """The task in a class attribute, maybe below ``@classmethod``; None if none."""
    for candidate in (attribute, getattr(attribute, "__func__", None)):
        if type(candidate) is AsyncTask:
            return candidate
    return None
