"""An attempt that may be interrupted: by its time limit, or by a cancel.

An exception is raised in the thread that runs the task, wherever that stands
(``PyThreadState_SetAsyncExc``). It must strike the task's own code, and neither the
worker's nor the next task of the thread:

* The thread says when it is inside of the task's code. What it does then is one
  assignment, so a task that nobody interrupts takes no lock.
* Who interrupts notes the cause first, and looks whether the thread is inside then,
  under a lock. The thread leaves first, and looks for a cause then. So either the one
  does not raise, or the other one takes the lock, and clears what was raised meanwhile.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..database import running_statements
from ..errors import TaskCancelled, TimeLimitExceeded
from ..task_options import TaskOptions
from .job import Job

#: How long a server may take to answer that a statement is cancelled.
_CANCEL_MAX_S = 10.0

#: The task's code may have caught the exception, and gone on: it is raised again. Short
#: enough for a statement that began just after the last one was cancelled.
_AGAIN_S = 0.5
#: How often it is put off, and for how long, while the thread is in fragile code.
_PUT_OFF_MAX, _PUT_OFF_S = 20, 0.01
#: Modules in whose code an exception from outside may leave something locked, or lost,
#: that other threads need. (They are not proof against an exception between two lines.)
_FRAGILE = (
    __name__.partition(".")[0] + ".",
    "importlib.",
    "logging",
    "psycopg",
    "trytond.backend.",
    "trytond.transaction",
)

_DEFAULTS = TaskOptions()


class Attempt:
    """The attempt of one thread. Made by the thread itself.

    :ivar job: what it runs.
    :ivar options: as the task declares them; the defaults until it is found.
    :ivar started_s: when it began, by the monotonic clock.
    :ivar cause: class of the exception that interrupts it; None if nothing does.
    :ivar stuck_at_s: when it is stuck if it has not ended, by the monotonic clock.
    :ivar given_up: whether it was told that it is stuck.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.options = _DEFAULTS
        self.started_s = time.monotonic()
        self.cause: type[BaseException] | None = None
        self.stuck_at_s = math.inf
        self.given_up = False
        limit_s = job.message.time_limit_s
        self._due_at_s = math.inf if limit_s is None else self.started_s + limit_s
        self._put_off = 0
        self._thread_id = threading.get_ident()
        self._lock = threading.Lock()
        self._inside = False
        self._connection: Any = None
        self._canceller: threading.Thread | None = None

    # -- in the thread that runs it --------------------------------------------

    def call(self, function: Callable[[], Any], connection: Any) -> Any:
        """Call the task's code, which may be interrupted meanwhile.

        :param connection: that of the task's own transaction, whose SQL is cancelled.
        :raises TimeLimitExceeded: it was interrupted by its time limit, whether or not
            it noticed.
        :raises TaskCancelled: it was interrupted by a cancel.
        :raises BaseException: what the task raises.
        """
        self._connection = connection
        with running_statements.cancelled_when(self._is_interrupted, connection):
            return self._call(function)

    def _call(self, function: Callable[[], Any]) -> Any:
        value = None
        try:
            self._inside = True
            if self.cause is None:
                value = function()
            self._inside = False
            self._settle_down()
        except BaseException as error:
            # Not by a call: nothing strikes before this.
            self._inside = False
            self._settle_down()
            if self.cause is None:
                raise
            if type(error) is self.cause:
                error.args = self.error().args
                raise
            raise self.error() from error
        if self.cause is not None:
            raise self.error()
        return value

    def _settle_down(self) -> None:
        """See that nothing strikes any more."""
        if self.cause is None:
            return
        with self._lock:
            _set_exception(self._thread_id, None)
            canceller = self._canceller
        if canceller is not None:
            # Else it might cancel the thread's next statement.
            canceller.join(_CANCEL_MAX_S)

    def _is_interrupted(self) -> bool:
        return self.cause is not None

    # -- in other threads ----------------------------------------------------------

    @property
    def due_at_s(self) -> float:
        """When to call :meth:`see_to` next, by the monotonic clock."""
        return self._due_at_s

    @property
    def is_stuck(self) -> bool:
        """Whether it has not ended within the grace, and cannot be made to."""
        return self._inside and time.monotonic() >= self.stuck_at_s

    def interrupt(self, cause: type[BaseException], grace_s: float) -> None:
        """Note why it is to end; the first cause counts. :meth:`see_to` does it.

        :param grace_s: for how long it may take to end.
        """
        if self.cause is None:
            self._due_at_s = time.monotonic()
            self.stuck_at_s = self._due_at_s + grace_s
            self.cause = cause

    def see_to(self, grace_s: float) -> None:
        """Interrupt it at its time limit, and again until it ends."""
        if self.cause is None:
            self.interrupt(TimeLimitExceeded, grace_s)
        gently = self._put_off < _PUT_OFF_MAX
        struck = self._strike(gently)
        self._put_off = 0 if struck else self._put_off + 1
        self._due_at_s = time.monotonic() + (_AGAIN_S if struck else _PUT_OFF_S)

    def _strike(self, gently: bool) -> bool:
        """Cancel its SQL, and raise the cause in its thread.

        :param gently: not while the thread is where that may harm others.
        :return: whether it was raised, or need not be.
        """
        with self._lock:
            if not self._inside or self.cause is None:
                return True
            self._cancel_sql()
            module = self._module()
            if module == __name__ or (gently and module.startswith(_FRAGILE)):
                return False
            _set_exception(self._thread_id, self.cause)
            return True

    def _cancel_sql(self) -> None:
        if self._canceller is not None and self._canceller.is_alive():
            return
        if running_statements.runs_statement(self._connection):
            self._canceller = threading.Thread(
                target=running_statements.cancel,
                args=[self._connection],
                name="canceller",
                daemon=True,
            )
            self._canceller.start()

    def error(self) -> BaseException:
        """What it has failed with."""
        if self.cause is TimeLimitExceeded:
            limit_s = self.job.message.time_limit_s
            return TimeLimitExceeded(
                f"took longer than its time limit of {limit_s:g} s"
            )
        return (self.cause or TaskCancelled)("the task was cancelled")

    @property
    def stack(self) -> str:
        """Where its thread stands, as a traceback shows it."""
        return "".join(traceback.format_stack(self._frame()))

    def _module(self) -> str:
        frame = self._frame()
        return "" if frame is None else str(frame.f_globals.get("__name__"))

    def _frame(self) -> FrameType | None:
        return sys._current_frames().get(self._thread_id)


def _set_exception(thread_id: int, exception: type[BaseException] | None) -> None:
    """Raise an exception in a thread, or nothing that has not been raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id),
        None if exception is None else ctypes.py_object(exception),
    )
