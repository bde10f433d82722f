"""``async_task``: what makes a method or a function deferrable.

A decorated method is called as before, and runs then and there. It has ``defer`` and
``configure`` besides. The wrapper is a descriptor (wrapt), so it works above
``@classmethod`` and ``@staticmethod``; where it stands below, the setup of the pool
exchanges the two.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import wrapt

from .deferral import TaskOptions, defer_call
from .errors import ConfigurationError
from .messages.message import Target
from .result import AsyncResult
from .targets import function_target, method_target

Arguments: TypeAlias = tuple[Any, ...]
ExceptionClasses: TypeAlias = "type[BaseException] | Sequence[type[BaseException]]"
_OF_THE_DECLARATION = {"retry_on", "public_errors"}
#: What the decorator may stand above.
Method: TypeAlias = (
    "Callable[..., Any] | classmethod[Any, ..., Any] | staticmethod[..., Any]"
)


@overload
def async_task(function: Method, /) -> AsyncTask: ...


@overload
def async_task(
    function: None = None,
    /,
    *,
    ignore_result: bool = True,
    visibility_timeout: int | None = None,
    queue: str | None = None,
    max_attempts: int | None = None,
    time_limit: float | None = None,
    retry_on: ExceptionClasses = (Exception,),
    public_errors: ExceptionClasses = (),
    shared: bool = False,
    cancellable: bool = False,
) -> Callable[[Method], AsyncTask]: ...


def async_task(
    function: Method | None = None,
    /,
    *,
    ignore_result: bool = True,
    visibility_timeout: int | None = None,
    queue: str | None = None,
    max_attempts: int | None = None,
    time_limit: float | None = None,
    retry_on: ExceptionClasses = (Exception,),
    public_errors: ExceptionClasses = (),
    shared: bool = False,
    cancellable: bool = False,
) -> AsyncTask | Callable[[Method], AsyncTask]:
    """Make a method of a model, report or wizard, or a function, deferrable.

    Used as ``@async_task`` or ``@async_task(...)``, above or below ``@classmethod``.

    :param ignore_result: drop the value; with False it is kept for the owner.
    :param visibility_timeout: seconds without a heartbeat after which another worker
        may take the task; range and default as the setting ``visibility_timeout``.
    :param queue: short name of its queue; default: the setting ``sqs_queue``.
    :param max_attempts: attempts before the task fails; range and default as the
        setting ``max_attempts``.
    :param time_limit: seconds that an attempt may take; then it has failed with
        :class:`~.errors.TimeLimitExceeded`. Default: the setting ``time_limit``.
    :param retry_on: exception classes after which it is tried again.
    :param public_errors: exception classes whose texts the owner may read, besides
        Tryton's UserError and UserWarning and those of the setting.
    :param shared: serve the result to anybody who has the link.
    :param cancellable: let the owner cancel it from the browser; needs the outbox.
    :raises ConfigurationError: an option is out of its range.
    """
    options = TaskOptions().changed(
        ignore_result=ignore_result,
        visibility_timeout=visibility_timeout,
        queue=queue,
        max_attempts=max_attempts,
        time_limit=time_limit,
        retry_on=_classes("retry_on", retry_on),
        public_errors=_classes("public_errors", public_errors),
        shared=shared,
        cancellable=cancellable,
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


class Deferrable:
    """A call that can be made here or put off.

    :ivar task_options: how it is carried and run.
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

    def defer(self, /, *args: Any, **kwargs: Any) -> AsyncResult:
        """Ask for the call after the commit of the current transaction.

        :returns: the handle; its id and url are final.
        :raises DeferralError: no transaction, or this cannot be called from afar.
        :raises MessageError: an argument cannot travel, or is too large.
        :raises TypeError: the arguments do not fit the signature.
        """
        signature = _signature(self._function)
        signature.bind(*args, **kwargs)
        target, rest = self._target(args)
        names = list(signature.parameters)[len(args) - len(rest) :]
        return defer_call(target, rest, kwargs, self.task_options, names)

    def configure(self, **changes: Any) -> Deferrable:
        """The same with other options for one deferral.

        :param changes: ``delay`` (seconds), ``queue``, ``ignore_result``,
            ``visibility_timeout``, ``max_attempts``, ``time_limit``, ``shared``,
            ``attributes``, ``cancellable``.
        :raises ConfigurationError: an option is unknown, out of its range, or one of
            the declaration: classes do not travel.
        """
        for option in _OF_THE_DECLARATION & set(changes):
            raise ConfigurationError(
                f"{option} goes into async_task(), where the worker finds it, and not "
                "into configure()"
            )
        return Deferrable(
            self._function, self.task_options.changed(**changes), self._target
        )


def _signature(function: Any) -> inspect.Signature:
    """The signature of a function or a bound method, computed once for each."""
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
    """What an attribute of a class and a task as such have in common."""

    def _deferrable(self) -> Deferrable:
        raise NotImplementedError

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._deferrable()(*args, **kwargs)

    def defer(self, /, *args: Any, **kwargs: Any) -> AsyncResult:
        """See :meth:`Deferrable.defer`."""
        return self._deferrable().defer(*args, **kwargs)

    def configure(self, **changes: Any) -> Deferrable:
        """See :meth:`Deferrable.configure`."""
        return self._deferrable().configure(**changes)

    @property
    def task_options(self) -> TaskOptions:
        """The options the task was declared with."""
        return self._deferrable().task_options


class BoundTask(_TaskApi, wrapt.BoundFunctionWrapper[..., Any]):
    """A task as an attribute of a class or a record."""

    def _deferrable(self) -> Deferrable:
        return Deferrable(
            self.__wrapped__, self._self_parent._self_options, self._target
        )

    def _target(self, args: Arguments) -> tuple[Target, Arguments]:
        name: str = self.__wrapped__.__name__
        instance, owner = self._self_instance, self._self_owner
        if isinstance(instance, type):
            # Below @classmethod the class comes as the instance.
            return method_target(instance, name), args
        if instance is not None:
            owner = type(instance)
        if self._self_binding != "function":
            return method_target(owner, name), args
        if instance is None:
            # Model.method.defer(record, ...): the record is the first argument.
            instance, args = args[0], args[1:]
        return method_target(owner, name, instance), args


class AsyncTask(_TaskApi, wrapt.FunctionWrapper[..., Any]):
    """A task as it stands in its class or module."""

    __bound_function_wrapper__ = BoundTask

    if TYPE_CHECKING:

        def __get__(self, instance: Any, owner: Any = None) -> BoundTask: ...

    def __init__(self, function: Any, options: TaskOptions) -> None:
        super().__init__(function, _unused_wrapper)
        self._self_options = options
        owner, _, name = function.__qualname__.rpartition(".")
        if owner:
            _declared.setdefault((function.__module__, owner), set()).add(name)

    def _deferrable(self) -> Deferrable:
        return Deferrable(self.__wrapped__, self._self_options, self._target)

    def _target(self, args: Arguments) -> tuple[Target, Arguments]:
        return function_target(self.__wrapped__), args


def _unused_wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    # wrapt wants one; calls go through _TaskApi.__call__.
    return wrapped(*args, **kwargs)


# -- overriding without the decorator ------------------------------------------

#: Which classes declare tasks, by module and qualified name, and the tasks' names.
_declared: dict[tuple[str, str], set[str]] = {}


def keep_deferrable(cls: type) -> None:
    """Let each task of a class know whose attribute it is, however it is written.

    Called for every class of the pool when that is set up. Tryton modules extend a
    class by a subclass that the pool makes of both; a module that overrides a task
    undecorated need not know that it is one.
    """
    for base in cls.__mro__:
        for name in sorted(_declared.get((base.__module__, base.__qualname__), ())):
            _turn_inside_out(base, name)
            found = [b.__dict__[name] for b in cls.__mro__ if name in b.__dict__]
            tasks = [task for task in map(_task_in, found) if task is not None]
            if tasks and _task_in(found[0]) is None:
                setattr(cls, name, AsyncTask(found[0], tasks[0].task_options))


def _turn_inside_out(base: type, name: str) -> None:
    """Put a task above ``@classmethod`` or ``@staticmethod`` if it stands below.

    There it is not told whose attribute it is: never below ``@staticmethod``, and
    from Python 3.13 on not below ``@classmethod`` either.
    """
    attribute = base.__dict__.get(name)
    # By isinstance() a task above one of them would be one, too: it is a proxy.
    kind, task = type(attribute), _task_in(attribute)
    if task is not None and kind in (classmethod, staticmethod):
        setattr(base, name, AsyncTask(kind(task.__wrapped__), task.task_options))


def _task_in(attribute: Any) -> AsyncTask | None:
    """The task in a class attribute; it may stand below ``@classmethod``."""
    for candidate in (attribute, getattr(attribute, "__func__", None)):
        if type(candidate) is AsyncTask:
            return candidate
    return None
