"""``capture`` and ``inline``: what a test does with the calls that are deferred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, overload

from .. import runtime as runtimes
from ..deferred_batch import DeferredBatch
from ..deferred_call import DeferredCall
from ..runtime import Runtime
from . import assertions
from .batch_record import BatchRecord
from .call_record import CallRecord
from .captured_batch import CapturedBatch
from .captured_call import CapturedCall
from .running import Run
from .substitutes import capturing, of_process

#: unittest leaves the frames of such modules out of tracebacks.
__unittest = True

#: Attempts that one ``run`` makes, at most: tasks may defer each other without end.
LIMIT = 1_000


class Capture(Sequence[CapturedCall]):
    """The calls that were deferred, in their order; a sequence.

    Those that were rolled back, or cancelled before their commit, are not among them:
    they would never run.
    """

    def __init__(self) -> None:
        self._all: list[CallRecord] = []
        self._by_id: dict[str, CallRecord] = {}
        self._batches: dict[str, BatchRecord] = {}
        # Each runtime with what captures in its place.
        self._captured: list[tuple[Runtime, Runtime]] = []
        self._of_process: dict[str, Runtime] = {}
        self._runs_each = False
        self._raises = True
        self._is_running = False

    # -- the sequence ----------------------------------------------------------------

    @property
    def _calls(self) -> list[CapturedCall]:
        return [CapturedCall(it) for it in self._all if not it.is_dropped]

    def __len__(self) -> int:
        return len(self._calls)

    @overload
    def __getitem__(self, index: int) -> CapturedCall: ...

    @overload
    def __getitem__(self, index: slice) -> list[CapturedCall]: ...

    def __getitem__(self, index: int | slice) -> CapturedCall | list[CapturedCall]:
        return self._calls[index]

    def __iter__(self) -> Iterator[CapturedCall]:
        return iter(self._calls)

    def __repr__(self) -> str:
        return f"<Capture {self._calls!r}>"

    @property
    def rolled_back(self) -> list[CapturedCall]:
        """The calls that were rolled back with their transactions."""
        return [CapturedCall(it) for it in self._all if it.was_rolled_back]

    @property
    def batches(self) -> list[CapturedBatch]:
        """The batches that were deferred, in their order."""
        batches = self._batches.values()
        found = [it for it in batches if not (it.is_dropped or it.is_forgotten)]
        return [CapturedBatch(it) for it in found]

    def clear(self) -> None:
        """Forget all calls and batches; those that wait never run."""
        for call in self._all:
            call.forget()
        self._all.clear()
        for batch in self._batches.values():
            batch.is_forgotten = True

    # -- running ---------------------------------------------------------------------

    def run(
        self,
        *,
        raises: bool = True,
        attempts: int | None = None,
        limit: int = LIMIT,
    ) -> list[CapturedCall]:
        """Run the waiting calls, and those that they defer, in the order of deferral.

        In this thread, and in the open transaction; what an attempt has written and
        deferred is rolled back if it raises. Without an open transaction each runs in
        one of its own, which commits. Delays are not waited for.

        A task that raises :class:`~..errors.Retry` is tried again, at once. A batch
        ends with its last member; what it calls then is deferred, and run as well.

        :param raises: whether another exception of a task is raised here, at its first
            attempt. Else tasks are tried again as a worker does it.
        :param attempts: how often each call is tried now, at most; another ``run`` goes
            on. None for the limits of the tasks.
        :param limit: attempts of all calls, at most.
        :returns: the calls that were run.
        :raises AssertionError: ``limit`` is reached.
        :raises Exception: what a task has raised, or why it cannot be run.
        """
        __tracebackhide__ = True
        if self._is_running:
            # A task runs its own deferrals no more here than in a worker.
            return []
        self._is_running = True
        try:
            run = Run(
                self._all,
                self._batches,
                raises=raises,
                attempts=attempts,
                limit=limit,
            )
            return [CapturedCall(it) for it in run.all()]
        finally:
            self._is_running = False

    # -- assertions ------------------------------------------------------------------

    def assert_called(self, task: Any, /, *args: Any, **keywords: Any) -> CapturedCall:
        """Assert that a task was deferred, at least once, with these arguments.

        :param task: ``Model.method``, ``record.method`` or a function. The record of a
            method is compared as well, if it is given.
        :param args: the arguments; without any, positional or by keyword, they are not
            compared. ``unittest.mock.ANY`` equals all values.
        :param keywords: arguments by their names, and options as ``configure`` takes
            them; the name of a parameter of the task is that of an argument.
        :returns: the first such call.
        :raises AssertionError: it was not; the text shows the closest calls.
        :raises TypeError: the task takes no such arguments.
        :raises SerializationError: a record is not saved.
        """
        __tracebackhide__ = True
        return assertions.called(self, task, args, keywords)

    def assert_called_once(
        self, task: Any, /, *args: Any, **keywords: Any
    ) -> CapturedCall:
        """Assert that a task was deferred exactly once with these arguments.

        Calls of it with other arguments do not matter. For parameters see
        :meth:`assert_called`.
        """
        __tracebackhide__ = True
        return assertions.call_count(self, 1, task, args, keywords)[0]

    def assert_call_count(
        self, count: int, task: Any, /, *args: Any, **keywords: Any
    ) -> list[CapturedCall]:
        """Assert how often a task was deferred with these arguments.

        For the other parameters see :meth:`assert_called`.

        :returns: the calls.
        """
        __tracebackhide__ = True
        return assertions.call_count(self, count, task, args, keywords)

    def assert_not_called(
        self, task: Any = None, /, *args: Any, **keywords: Any
    ) -> None:
        """Assert that a task was not deferred with these arguments.

        For parameters see :meth:`assert_called`.

        :param task: None for any task: nothing was deferred at all.
        """
        __tracebackhide__ = True
        if task is None:
            assertions.nothing_called(self)
        else:
            assertions.call_count(self, 0, task, args, keywords)

    # -- for the parts that capture --------------------------------------------------

    def _substitute(self, database: str, of_app: Runtime | None) -> Runtime:
        """What captures in place of a runtime; always the same one."""
        if of_app is None:
            if database not in self._of_process:
                self._of_process[database] = of_process(database)
            of_app = self._of_process[database]
        for runtime, captured in self._captured:
            if runtime is of_app:
                return captured

        def on_deferred(deferred: DeferredCall) -> None:
            if deferred.id in self._by_id:
                self._by_id[deferred.id].replace(deferred)
            else:
                self._add(CallRecord(deferred, captured))

        def on_batch(deferred: DeferredBatch) -> None:
            self._add_batch(BatchRecord(deferred, captured))

        captured = capturing(of_app, self._by_id, self._batches, on_deferred, on_batch)
        self._captured.append((of_app, captured))
        return captured

    def _add(self, call: CallRecord) -> None:
        __tracebackhide__ = True
        self._all.append(call)
        self._by_id[call.id] = call
        batch = self._batches.get(call.batch_id or "")
        if batch is not None:
            batch.calls.append(call)
        if self._runs_each:
            self.run(raises=self._raises)

    def _add_batch(self, batch: BatchRecord) -> None:
        __tracebackhide__ = True
        if batch.id in self._batches:
            return
        batch.calls += [it for it in self._all if it.batch_id == batch.id]
        self._batches[batch.id] = batch
        if self._runs_each:
            self.run(raises=self._raises)

    @contextmanager
    def _open(self) -> Iterator[Capture]:
        with runtimes.substituted(self._substitute):
            yield self


@contextmanager
def capture() -> Iterator[Capture]:
    """Collect what is deferred meanwhile; nothing of it is written or sent.

    In any transaction and any thread of the process, for all databases and apps; an
    inner ``capture`` takes precedence.
    """
    with Capture()._open() as captured:
        yield captured


@contextmanager
def inline(*, raises: bool = True) -> Iterator[Capture]:
    """Run each call at once when it is deferred, before the commit.

    What the task itself defers runs after it, before the outermost ``defer`` returns.

    :param raises: whether what a task raises is raised by ``defer``; see
        :meth:`Capture.run`.
    """
    captured = Capture()
    captured._runs_each, captured._raises = True, raises
    with captured._open():
        yield captured
