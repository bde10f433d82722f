"""``current_task``: what a running task can ask and report about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import TaskCancelled
from .membership import joined
from .messages.outcome import Progress


@dataclass(frozen=True)
class Running:
    """The task that runs in this context.

    :ivar batch: id of the batch that it is a member of; None for none.
    :ivar report: notes progress; never raises, never waits.
    :ivar asked_to_stop: tells whether it is to stop; never raises, never waits.
    """

    id: str
    name: str
    attempt: int
    report: Callable[[Progress], None]
    asked_to_stop: Callable[[], bool]
    batch: str | None = None


_running: ContextVar[Running | None] = ContextVar("nereid_async_running", default=None)


@contextmanager
def running(task: Running) -> Iterator[None]:
    """Make a task the current one; the worker does this around each run."""
    token = _running.set(task)
    try:
        yield
    finally:
        _running.reset(token)


class CurrentTask:
    """The running task. Harmless in a method that was called directly."""

    @property
    def id(self) -> str | None:
        """The task's uuid; None outside a worker."""
        task = _running.get()
        return None if task is None else task.id

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1; 0 outside a worker."""
        task = _running.get()
        return 0 if task is None else task.attempt

    @property
    def batch_id(self) -> str | None:
        """The id of the batch that the task is a member of; None for none."""
        task = _running.get()
        return None if task is None else task.batch

    def join_batch(self) -> AbstractContextManager[None]:
        """Let what the task defers in the context join its batch.

        The batch has not ended before they have. Without it, what a member defers is
        in no batch, and so it is in this context if the task is no member.
        """
        batch_id = self.batch_id
        return nullcontext() if batch_id is None else joined(batch_id, lambda: None)

    def progress(
        self,
        done: float,
        total: float | None = None,
        message: str | None = None,
    ) -> None:
        """Tell the owner how far the task is, whatever it is given.

        Some of the calls are dropped: those in quick succession, and those that come
        while the database is busy. Seen at once, whatever the task's transaction does.

        :param done: how much is done, in any unit. What is no finite number counts
            as not known.
        :param total: how much there is to do, in the same unit, if known.
        :param message: what is going on; translated here if it is lazy, and cut
            after 1,000 characters.
        :raises TaskCancelled: the task was cancelled; see :meth:`check`.
        """
        task = _running.get()
        if task is not None:
            task.report(Progress.of(done, total, message))
            self.check()

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled, and is to stop; False outside a worker.

        Looked up once a second at most, so that it may be asked in a loop.
        """
        task = _running.get()
        return task is not None and task.asked_to_stop()

    def check(self) -> None:
        """Stop here if the task was cancelled.

        Its run is rolled back, and not tried again. It costs nothing in a loop.

        :raises TaskCancelled: it was. Let it through: that is what ends the run.
        """
        if self.cancelled:
            raise TaskCancelled("the task was cancelled")


current_task = CurrentTask()
