"""Runs captured calls in the thread of the test, as a worker would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from blinker import NamedSignal
from trytond import backend
from trytond.transaction import Transaction, TransactionError

from .. import signals
from ..current import Running, running
from ..errors import ResultError, Retry, TaskCancelled
from ..membership import apart
from ..messages.outcome import Failure, Outcome
from ..messages.serialization import dumps, loads
from ..runtime import Runtime
from ..task_options import TaskOptions
from ..worker import retry
from ..worker.call import Call, NotTaken, context_of, find
from ..worker.execution import outcome_of, run_own_queue, web_context
from ..worker.public_errors import is_public
from ..worker.tracebacks import without_ours
from .batch_record import BatchRecord
from .call_record import CallRecord, CapturedAttempt
from .captured_call import CapturedCall

T = TypeVar("T")

_SAVEPOINT = "nereid_async_attempt"


class Run:
    """Runs the waiting calls of a list, also those that are added meanwhile.

    :param calls: the captured calls, in the order of their deferrals.
    :param batches: the captured batches, likewise.
    :param raises: whether what a task raises is raised here.
    :param attempts: how often each call is tried, at most; None for its own limit.
    :param limit: attempts of all calls, at most.
    """

    def __init__(
        self,
        calls: Sequence[CallRecord],
        batches: Mapping[str, BatchRecord],
        *,
        raises: bool,
        attempts: int | None,
        limit: int,
    ) -> None:
        self._calls = calls
        self._batches = batches
        self._raises = raises
        self._attempts = attempts
        self._limit = self._left = limit

    def all(self) -> list[CallRecord]:
        """Run them; returns those that were run."""
        __tracebackhide__ = True
        ran = []
        held = set()
        self._look_at_batches(0)
        # The list grows while tasks defer.
        for call in self._calls:
            if not call.waits or call.ordered_group in held:
                continue
            ran.append(call)
            known = len(self._batches)
            self._run(call)
            self._look_at_batches(known)
            self._look_at_batch(call)
            if call.waits and call.ordered_group is not None:
                # The others of its group run after it.
                held.add(call.ordered_group)
        return ran

    def _look_at_batches(self, known: int) -> None:
        """Look at the batches after those that are known, which may be empty."""
        for batch in list(self._batches.values())[known:]:
            batch.look()

    def _look_at_batch(self, call: CallRecord) -> None:
        batch = self._batches.get(call.batch_id or "")
        if batch is not None:
            batch.look()

    def _run(self, call: CallRecord) -> None:
        __tracebackhide__ = True
        before = len(call.attempts)
        while call.waits and (
            self._attempts is None or len(call.attempts) - before < self._attempts
        ):
            if not self._left:
                raise AssertionError(
                    f"stopped after {self._limit:,} runs: the tasks defer, or try "
                    f"again, without end; the next one is {CapturedCall(call)!r}. "
                    "run(limit=...) allows more, run(attempts=1) one attempt of each"
                )
            self._left -= 1
            self._attempt(call)

    def _attempt(self, call: CallRecord) -> None:
        __tracebackhide__ = True
        known, known_batches = len(self._calls), len(self._batches)
        attempt = _Attempt(call)
        try:
            attempt.run()
            return
        except TransactionError:
            # trytond's with_transaction begins the test again, with the lock.
            call.put_back()
            batch = self._batches.get(call.batch_id or "")
            if batch is not None:
                batch.put_back()
            raise
        except NotTaken as refusal:
            error: Exception = refusal.error
        except Exception as raised:
            error = raised
        # What it has deferred went with what it has written.
        for later in self._calls[known:]:
            later.roll_back()
        for batch in list(self._batches.values())[known_batches:]:
            batch.roll_back()
        told = attempt.failed(error)
        if self._raises and told is not None:
            without_ours(told)
            raise told


class _Attempt:
    """One attempt of one call."""

    def __init__(self, call: CallRecord) -> None:
        self._call = call
        self._runtime = call.runtime
        self._message = call.message
        self._found: Call | None = None
        self._number = call.begin()

    def run(self) -> None:
        """Run it.

        :raises Exception: what the task raises; nothing of it was written.
        """
        __tracebackhide__ = True
        self._emit(signals.task_started, attempt=self._number)
        outcome = _in_transaction(self._runtime, self._message.user, self._made)
        self._call.end(CapturedAttempt(self._number), self._stored(outcome))
        self._emit(signals.task_succeeded, result=outcome.value)

    def _made(self, transaction: Any) -> Outcome:
        __tracebackhide__ = True
        call, message, runtime = self._call, self._message, self._runtime
        current = Running(
            message.id,
            message.target.name,
            self._number,
            call.report,
            lambda: call.is_to_stop,
            message.batch,
        )
        with transaction.set_context(context_of(message), _skip_warnings=True):
            with web_context(message, runtime), running(current), apart():
                only_tasks = runtime.settings.only_tasks
                self._found = find(message, only_tasks=only_tasks)
                return outcome_of(self._found(), message, runtime)

    def failed(self, error: Exception) -> BaseException | None:
        """Settle it as a worker does.

        :returns: what to tell the test; None if the task has asked for another attempt,
            or has followed a request to stop.
        """
        cancelled = isinstance(error, TaskCancelled)
        if cancelled and not isinstance(error, ResultError):
            self._call.end(
                CapturedAttempt(self._number, error), Outcome(cancelled=True)
            )
            self._emit(signals.task_cancelled)
            return None if self._call.is_to_stop else error
        options = TaskOptions() if self._found is None else self._found.options
        decision = retry.decide(error, self._number, self._message, options.retry_on)
        if isinstance(decision, retry.Again):
            attempt = CapturedAttempt(self._number, error, decision.delay_s)
            self._call.wait(attempt, counts=decision.counts)
            self._emit(signals.task_retried, delay_s=decision.delay_s, error=error)
            return None if isinstance(error, Retry) else error
        told = retry.reason_of(error) or error
        names = self._runtime.settings.public_errors
        public = is_public(told, options.public_errors, names)
        outcome = Outcome(failure=Failure.of(told, public=public))
        self._call.end(CapturedAttempt(self._number, error), self._stored(outcome))
        self._emit(signals.task_failed, error=error)
        return told

    def _stored(self, outcome: Outcome) -> Outcome:
        """An outcome as it is read where it was stored."""
        outcomes, task_id = self._runtime.outcomes, self._message.id
        kept = dumps(outcomes.to_json(task_id, outcome))
        return outcomes.from_json(task_id, loads(kept))

    def _emit(self, signal: NamedSignal, **facts: Any) -> None:
        signals.emit(signal, self._runtime.database, message=self._message, **facts)


def _in_transaction(runtime: Runtime, user: int, body: Callable[[Any], T]) -> T:
    """Call ``body`` in the open transaction, or without one in one of its own.

    :raises Exception: what it raises; what it has written is rolled back.
    """
    __tracebackhide__ = True
    transaction = Transaction()
    database = transaction.database
    is_open = database is not None and database.name == runtime.database
    if is_open and not transaction.readonly:
        with _savepoint(transaction):
            with transaction.reset_context(), transaction.set_user(user):
                return body(transaction)
    extras: dict[str, Any] = {}
    while True:
        new = Transaction(new=True)
        try:
            with new.start(runtime.database, user, **extras):
                value = body(new)
        except TransactionError as error:
            error.fix(extras)
            continue
        run_own_queue(runtime.database)
        return value


@contextmanager
def _savepoint(transaction: Any) -> Iterator[None]:
    """Roll back what was written inside if that raises."""
    cursor = transaction.connection.cursor()
    if backend.name == "sqlite" and not transaction.connection.in_transaction:
        # Else the end of the savepoint would be a commit.
        cursor.execute("BEGIN")
    cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
    # Only a commit changes it, and ends the savepoint.
    begun_at = transaction.started_at
    try:
        yield
    except BaseException:
        if transaction.started_at == begun_at:
            cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        for cache in transaction.cache.values():
            cache.clear()
        raise
    if transaction.started_at == begun_at:
        cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
