"""Calls that are checked now and deferred later: what a batch calls at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from .deferral import Call, Deferral, defer_call
from .deferred_call import DeferredCall
from .result import AsyncResult

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R_co = TypeVar("R_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class PreparedCall(Generic[R_co]):
    """What ``prepare`` returns: a call of a task that fits its signature."""

    call: Call

    def defer(self) -> AsyncResult[R_co]:
        """Defer it now; see :meth:`~nereid_async.task.ConfiguredTask.defer`."""
        return defer_call(self.call)

    def made(self) -> DeferredCall:
        """Make its message, by the present caller, without deferring it.

        :raises NereidAsyncError: as :meth:`defer`.
        """
        return Deferral(self.call).made(self.call)
