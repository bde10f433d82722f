"""Runs one task in one transaction, up to and including its commit."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError
from trytond.worker import run_task

from .. import forks
from ..current import Running, running
from ..database import connection_pool
from ..errors import DatabaseUnavailable, LeaseLost, MessageTooLarge, WebAppNeeded
from ..messages.browser_json import for_browser
from ..messages.message import Message
from ..messages.outcome import Outcome, Progress
from ..messages.serialization import encode
from ..rows import CancelRequest
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from ..tryton_config import config
from . import call, notices
from .attempt import Attempt
from .job import Job
from .lease import check_held

logger = logging.getLogger(__name__)
_throttled = ThrottledLog(logger)
#: For warnings that only a change of the task's code ends.
_hourly = ThrottledLog(logger, interval_s=3_600)

_RETRY_PAUSE_S = 0.02
#: Id and signature that a reply adds to its result.
_REPLY_FRAME_BYTES = 256
_PROGRESS_PAUSE_S = 0.25
_LOOK_PAUSE_S = 1.0


class Execution:
    """One attempt of a job, in a transaction of its own.

    :param worker: name of this worker, for the row.
    """

    def __init__(self, attempt: Attempt, runtime: Runtime, worker: str) -> None:
        self._attempt = attempt
        self._job = attempt.job
        self._runtime = runtime
        self._worker = worker

    def run(self) -> Outcome:
        """Run the task and commit it.

        As trytond's own dispatchers, it runs the task again within the same attempt, up
        to ``[database] retry`` times: after a DatabaseOperationalError, unless the
        connection is lost, and after a TransactionError, by which a task asks for a
        lock.

        :returns: the outcome, committed in the task's own transaction.
        :raises LeaseLost: another run has the task; nothing was committed.
        :raises NotTaken: this worker cannot run the task; nothing of it ran.
        :raises TimeLimitExceeded: the attempt took too long; nothing was committed.
        :raises BaseException: whatever the task raised; nothing was committed.
        """
        extras: dict[str, Any] = {}
        started = self._job.row.start_apart(self._worker)
        for count in itertools.count():
            if count:
                time.sleep(_RETRY_PAUSE_S * count)
                # The error may come from the commit, because another run has the task.
                check_held(self._job)
            try:
                # The context commits when it is left without an error.
                with connection_pool.start_transaction(
                    self._runtime.database, self._job.message.user, **extras
                ) as transaction:
                    # The list is thread-local and survives a rollback.
                    transaction.tasks.clear()
                    if not started:
                        self._job.row.start_in(transaction, self._worker)
                        started = True
                    with _commits_noticed(transaction, self._job):
                        outcome = self._run(transaction)
            except TransactionError as error:
                if count >= _retries():
                    raise
                error.fix(extras)
                continue
            except backend.DatabaseOperationalError as error:
                if count >= _retries() or connection_pool.is_lost(error):
                    raise
                continue
            run_own_queue(self._runtime.database)
            return outcome
        raise AssertionError("itertools.count() ended")

    def _run(self, transaction: Any) -> Outcome:
        job, runtime, message = self._job, self._runtime, self._job.message
        # As in trytond's own queue: nobody can answer a warning.
        with transaction.set_context(call.context_of(message), _skip_warnings=True):
            with web_context(message, runtime), running(_current(job)):
                with forks.kept_inside(str(job)):
                    found = call.find(message, only_tasks=runtime.settings.only_tasks)
                    self._attempt.options = found.options
                    with _left_clean(transaction, self._attempt):
                        value = self._attempt.call(found, transaction.connection)
                outcome = outcome_of(value, message, runtime)
                notices.done(message)
        job.row.finish(
            transaction, outcome, runtime.settings.result_ttl, keep=message.keep_result
        )
        if job.claim is None and job.lease.over:
            raise LeaseLost(
                f"task {message.id}: the message was not held in time, another worker "
                "may have it; this run is rolled back"
            )
        return outcome


@contextmanager
def _left_clean(transaction: Any, attempt: Attempt) -> Iterator[None]:
    """Take away what an interrupted attempt may have left in its thread."""
    try:
        yield
    finally:
        if attempt.cause is not None:
            # Struck at their beginning, inner transactions have no `with` that ends
            # them.
            while (inner := Transaction()) is not transaction:
                inner.stop()
            # The server may have heard of the cancel late: nobody else gets that
            # connection.
            connection_pool.discard(transaction)


@contextmanager
def _commits_noticed(transaction: Any, job: Job) -> Iterator[None]:
    """Warn if the task commits its transaction itself."""
    # Only a commit changes `started_at`.
    begun_at = transaction.started_at
    try:
        yield
    finally:
        if transaction.started_at != begun_at:
            _hourly.warning(
                job.message.target.name,
                "%s committed its transaction by itself: if it fails now, or its "
                "worker dies, what it has committed stays, and the next attempt does "
                "it again. Defer a task of its own for what must be committed early, "
                "or write it in Transaction().new_transaction(), and look for it first",
                job,
            )


def _retries() -> int:
    return int(config.getint("database", "retry"))


def run_own_queue(database: str) -> None:
    """Run what the task put in trytond's own queue, as Nereid does after a request."""
    tasks = Transaction().tasks
    while tasks:
        task_id = tasks.pop()
        with forks.kept_inside(f"task {task_id} of Tryton's queue"):
            run_task(Pool(database), task_id)


def web_context(message: Message, runtime: Runtime) -> AbstractContextManager[None]:
    """The web context in which the task was deferred; nothing outside of one.

    :raises NotTaken: there is no web app here.
    """
    if message.web is None:
        return nullcontext()
    if runtime.web_context is None:
        needed = WebAppNeeded(
            f"{message.target.name} was deferred by a web request; start this worker "
            "with --app, or through `flask async worker`"
        )
        raise call.NotTaken(needed)
    return runtime.web_context(message.web)


def outcome_of(value: Any, message: Message, runtime: Runtime) -> Outcome:
    """The outcome of a task that has returned a value.

    :raises SerializationError: the value cannot be serialised.
    :raises MessageTooLarge: it is larger than a message.
    """
    if not message.keep_result:
        return Outcome()
    encoded = encode(value, "result")
    outcome = Outcome(encoded, for_browser(value) if message.for_browser else encoded)
    size_bytes = runtime.outcomes.size_bytes(message.id, outcome)
    limit_bytes = runtime.settings.max_message_bytes - _REPLY_FRAME_BYTES
    if size_bytes > limit_bytes:
        raise MessageTooLarge(
            f"{message.target.name}: the result is {size_bytes} bytes, the limit "
            f"{limit_bytes} (setting max_message_bytes); store it and return its "
            "record",
            size_bytes=size_bytes,
            limit_bytes=limit_bytes,
        )
    return outcome


def _current(job: Job) -> Running:
    row = _RunningRow(job)
    message = job.message
    return Running(
        message.id,
        message.target.name,
        job.attempt,
        row.report,
        row.asked,
        message.batch,
    )


class _RunningRow:
    """Writes the progress of a run and reads whether it is to stop, at a limited rate.

    Heartbeats, and progress that was written, bring the request to stop as well.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._report_at_s = 0.0
        self._look_at_s = 0.0

    def report(self, progress: Progress) -> None:
        """Write progress; never raises, never waits."""
        now_s = time.monotonic()
        if now_s < self._report_at_s:
            return
        self._report_at_s = now_s + _PROGRESS_PAUSE_S
        if self._ask(lambda: self._job.row.report(progress), "progress dropped"):
            self._look_at_s = now_s + _LOOK_PAUSE_S

    def asked(self) -> bool:
        """Whether the task is to stop; never raises, never waits."""
        now_s = time.monotonic()
        if not self._job.is_to_stop and now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_PAUSE_S
            self._ask(self._job.row.cancel_request, "not asked whether to stop")
        return self._job.is_to_stop

    def _ask(self, call: Callable[[], CancelRequest | None], failed: str) -> bool:
        try:
            self._job.cancelling.note(call())
            return True
        except DatabaseUnavailable as error:
            logger.debug("%s, the database is busy: %s", failed, error)
        except Exception as error:
            # A failed report or look must not fail the task.
            _throttled.warning(
                failed, "%s: %s: %s", failed, type(error).__name__, error
            )
        return False
