"""The caller's handle on a deferred call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic

from . import cancelling
from .deferred_call import Stage
from .errors import (
    NereidAsyncError,
    ResultCancelled,
    ResultExpired,
    ResultMissing,
    ResultNotSent,
    ResultTimeout,
    TaskFailed,
)
from .messages.outcome import Outcome, Progress, State, Status
from .messages.serialization import decode
from .runtime import URL_PREFIX, Runtime, current

if TYPE_CHECKING:
    # Part of every type checker: need not be installed.
    from typing_extensions import TypeVar

    from .deferred_batch import DeferredBatch
    from .deferred_call import DeferredCall

    # A handle made again from an id is of any type, unless it is said.
    R_co = TypeVar("R_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0


class AsyncResult(Generic[R_co]):
    """The handle of a deferred call; can be made again from the task's id.

    It reads on a connection of its own, so it works in any transaction, but not before
    the one that deferred has committed. It keeps an outcome that it has read. Reading
    does not consume: other handles and the browser read the result until it expires or
    is acknowledged.

    :param id: the task's uuid.
    :param runtime: the parts of its database; None for the current ones.
    :param deferred: the call, if it was deferred in this process; None otherwise.
    :param is_new: whether its deferral has made the task.
    """

    def __init__(
        self,
        id: str,
        *,
        runtime: Runtime | None = None,
        deferred: DeferredCall | DeferredBatch | None = None,
        is_new: bool = False,
    ) -> None:
        self._id = str(id)
        self._is_new = is_new
        self._runtime = runtime
        self._deferred = deferred
        self._outcome: Outcome | None = None
        # Of a handle made from an id, its first look tells.
        self._kind = "task" if deferred is None else deferred.kind

    def __repr__(self) -> str:
        return f"AsyncResult({self.id!r})"

    @property
    def id(self) -> str:
        """The task's uuid."""
        # The commit of a read-only request may find a task of the same key.
        return self._id if self._deferred is None else self._deferred.id

    @property
    def _named(self) -> str:
        """What errors call it."""
        return f"{self._kind} {self.id}"

    @property
    def is_new(self) -> bool:
        """Whether its deferral has made the task.

        False if a task of the same key waits, which was kept or replaced: this is its
        handle. False for a handle that was made from an id.
        """
        return self._is_new and (
            self._deferred is None or self._deferred.id == self._id
        )

    @property
    def url(self) -> str:
        """URL of the result for browsers, from the root of the host on."""
        try:
            runtime = self._runtime or current()
        except NereidAsyncError:
            # Neither a transaction nor an app.
            return URL_PREFIX + self.id
        return runtime.result_url(self.id)

    @property
    def result_uuid(self) -> str:
        """The task's id, by its name in the older API."""
        return self.id

    def ready(self) -> bool:
        """Whether the task has finished, successfully or not.

        :raises ResultError: as :meth:`wait`, except for a failed task.
        """
        return self._outcome is not None or self._look() is not None

    def state(self) -> State:
        """The state of the task; read anew at each call, until it has finished.

        A :class:`~.messages.outcome.State` is a str as well: ``"pending"``, ``"sent"``
        (it waits in SQS), ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        It is known for longer than the result is kept.

        :raises ResultNotSent: the deferring transaction is still open.
        :raises ResultMissing: no such task, or it was rolled back.
        """
        return self._read().state

    def progress(self) -> Progress | None:
        """What the task has told of its progress; read anew at each call.

        None if it does not run, or has told nothing, and always without an outbox.

        :raises ResultError: as :meth:`state`.
        """
        return self._read().progress

    def wait(
        self, wait_time_seconds: float | None = None, interval_seconds: float = 1
    ) -> R_co | None:
        """Wait for the value and return it; None if the task has not finished.

        :param wait_time_seconds: how long to wait, in seconds; None for ever.
        :param interval_seconds: longest pause between two looks, in seconds.
        :raises ResultNotSent: the deferring transaction is still open.
        :raises ResultMissing: no such task, or it was rolled back.
        :raises ResultExpired: the result is not kept any more.
        :raises TaskFailed: the task failed for good.
        :raises TaskCancelled: the task was cancelled.
        """
        try:
            return self._value(wait_time_seconds, interval_seconds)
        except ResultTimeout:
            return None

    def get(self, timeout: float | None = None) -> R_co:
        """Wait for the value and return it.

        :param timeout: how long to wait, in seconds; None for ever.
        :raises ResultTimeout: the task has not finished in that time.
        :raises ResultError: as :meth:`wait`.
        """
        return self._value(timeout, _LONGEST_PAUSE_S)

    def cancel(self, *, interrupt: bool = False) -> State:
        """Cancel the task. At once, and whatever becomes of the open transaction.

        One that waits never runs. One that runs is asked to stop, and decides by
        itself: see ``current_task.cancelled``; if it finishes all the same, it is done.
        A call that is not committed yet is dropped. Of one that has finished, or was
        cancelled before, nothing changes.

        On SQLite a transaction that has written holds the whole file: cancel before
        anything is written.

        :param interrupt: whether to interrupt a run by an exception, wherever it is,
            within a third of its visibility timeout.
        :return: the state in which the task was found.
        :raises ResultMissing: no such task, or it was rolled back.
        :raises ResultNotSent: the deferring transaction is about to commit.
        :raises ConfigurationError: without an outbox no task can be cancelled.
        :raises DatabaseUnavailable: the database does not do it now.
        """
        if self._deferred is not None and self._deferred.stage is Stage.CANCELLED:
            return State.CANCELLED
        if self._runtime is None:
            self._runtime = current()
        found = cancelling.cancel(self._runtime, self.id, interrupt=interrupt)
        if found is None:
            self._check_sent()
            raise self._missing()
        return found

    def acknowledge(self) -> None:
        """Delete the result, since its owner has it.

        Other handles and the browser find it expired; this handle keeps the value. It
        saves money where results wait in SQS reply queues; a result that is not
        acknowledged expires after ``result_ttl``.

        :raises ResultTimeout: the task has not finished: there is no result yet.
        :raises ResultNotSent: the deferring transaction is still open.
        :raises ResultMissing: no such task, or it was rolled back.
        """
        try:
            if not self.ready():
                raise ResultTimeout(
                    f"{self._named} has not finished: there is no result to "
                    "acknowledge yet"
                )
        except ResultExpired:
            return
        assert self._runtime is not None
        self._runtime.results.delete(self.id)

    def _value(self, timeout_s: float | None, longest_pause_s: float) -> R_co:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = _FIRST_PAUSE_S
        while self._outcome is None:
            left_s = None if deadline is None else deadline - time.monotonic()
            if self._look() is not None:
                break
            if left_s is not None and left_s <= 0:
                raise ResultTimeout(f"{self._named} has not finished in {timeout_s} s")
            time.sleep(pause_s if left_s is None else min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, longest_pause_s)
        assert self._outcome is not None
        if self._outcome.cancelled:
            raise ResultCancelled(f"{self._named} was cancelled")
        failure = self._outcome.failure
        if failure is not None:
            raise TaskFailed(
                failure.type, failure.message, failure.traceback, failure.id
            )
        value: R_co = decode(self._outcome.value)
        return value

    def _look(self) -> Status | None:
        """The status, if the task has finished and its outcome is there."""
        status = self._read()
        if status.outcome is None and status.gone:
            raise ResultExpired(f"the result of {self._named} is not kept any more")
        return None if status.outcome is None else status

    def _read(self) -> Status:
        """The status; keeps the outcome, and is that of the outcome once it is kept."""
        if self._deferred is not None and self._deferred.stage is Stage.CANCELLED:
            self._outcome = Outcome(cancelled=True)
        if self._outcome is not None:
            return Status(self._outcome.state, outcome=self._outcome)
        self._check_sent()
        if self._runtime is None:
            self._runtime = current()
        status = self._runtime.results.look(self.id)
        if status is None:
            raise self._missing()
        if status.of_batch:
            self._kind = "batch"
        self._outcome = status.outcome
        return status

    def _missing(self) -> ResultMissing:
        return ResultMissing(f"no {self._named}: never committed, or long gone")

    def _check_sent(self) -> None:
        if self._deferred is None:
            return
        stage = self._deferred.stage
        if stage is Stage.OPEN:
            raise ResultNotSent(
                f"{self._named} leaves when the transaction that deferred it commits; "
                "wait for it after that"
            )
        if stage is Stage.DISCARDED:
            raise ResultMissing(f"{self._named} was rolled back")
        if not self._deferred.keeps_state:
            raise ResultMissing(
                f"{self._named} keeps no result and has no row; "
                "declare it with ignore_result=False"
            )
