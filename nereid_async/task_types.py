"""What type checkers know of tasks: their arguments, options and results.

``async_task`` returns proxies that forward any attribute, so their own classes would
let any misspelling pass. Checkers see the protocols here instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

from .prepared_call import PreparedCall
from .result import AsyncResult
from .text_options import KeyOption, OnConflict, TextOption, UniqueUntil

if TYPE_CHECKING:
    # Part of every type checker: need not be installed.
    from typing_extensions import Unpack

    from .task_options import TaskOptions

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
First = TypeVar("First")
First_contra = TypeVar("First_contra", contravariant=True)

ExceptionClasses: TypeAlias = "type[BaseException] | Sequence[type[BaseException]]"


class _Options(TypedDict, total=False):
    ignore_result: bool
    visibility_timeout: int | None
    queue: str | None
    priority: int
    max_attempts: int | None
    time_limit: float | None
    retry_delay: float | None
    shared: bool
    cancellable: bool
    notify: bool
    group: TextOption
    key: KeyOption
    on_conflict: OnConflict
    unique_until: UniqueUntil


class Declaration(_Options, total=False):
    """The options of :func:`~nereid_async.async_task`."""

    retry_on: ExceptionClasses
    public_errors: ExceptionClasses


class Changes(_Options, total=False):
    """The options of ``configure``."""

    delay: float
    attributes: dict[str, Any] | None


class Deferrable(Protocol[P, R_co]):
    """A callable that can be called here or deferred: a plain task, or a bound one.

    ``_defer_=True`` in a direct call is for code of the older API and in no type, since
    a direct call keeps the types of the function. Typed code calls ``defer``.
    """

    __name__: str
    __qualname__: str

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call it here and now."""

    def defer(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R_co]:
        """See :meth:`.task.ConfiguredTask.defer`."""

    # A list, really, but one would not let a type that has R_co be covariant.
    def defer_many(self, /, calls: Iterable[Any]) -> Sequence[AsyncResult[R_co]]:
        """See :meth:`.task.ConfiguredTask.defer_many`."""

    def prepare(self, /, *args: P.args, **kwargs: P.kwargs) -> PreparedCall[R_co]:
        """See :meth:`.task.ConfiguredTask.prepare`."""

    def configure(self, **changes: Unpack[Changes]) -> Deferrable[P, R_co]:
        """See :meth:`.task.ConfiguredTask.configure`."""

    @property
    def task_options(self) -> TaskOptions:
        """The options of its deferrals."""


class Task(Deferrable[P, R_co], Protocol[P, R_co]):
    """What ``async_task`` returns: a function, or an attribute of a class.

    Checkers see the function as it was written, whichever decorators stand above and
    below. So its first parameter has to tell what a lookup binds.
    """

    # A static method whose first parameter takes any object.
    @overload
    def __get__(
        self: _Binds[_Nothing, Q, Any], instance: Any, owner: Any, /
    ) -> Deferrable[P, R_co]: ...

    # A class method: the first parameter takes the class.
    @overload
    def __get__(
        self: _Binds[First, Q, R], instance: Any, owner: First, /
    ) -> Deferrable[Q, R]: ...

    # A method or static method, of the class.
    @overload
    def __get__(self, instance: None, owner: Any, /) -> Deferrable[P, R_co]: ...

    # A method: the first parameter takes the instance.
    @overload
    def __get__(
        self: _Binds[First, Q, R], instance: First, owner: Any, /
    ) -> Deferrable[Q, R]: ...

    # A static method, of an instance.
    @overload
    def __get__(self, instance: Any, owner: Any, /) -> Deferrable[P, R_co]: ...


class _Binds(Protocol[First_contra, P, R_co]):
    """A callable by its first parameter and the others.

    Not a ``Concatenate`` in the type of ``self``: mypy compares no first parameters
    there.
    """

    def __call__(
        self, first: First_contra, /, *args: P.args, **kwargs: P.kwargs
    ) -> R_co: ...


class _Nothing:
    """Fits no parameter but one that takes any object."""


class TaskDecorator(Protocol):
    """``async_task``, as an attribute."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def __call__(
        self, **options: Unpack[Declaration]
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...
