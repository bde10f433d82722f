"""A call that was deferred while a test captures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import pending
from ..deferral import TaskOptions
from ..deferred_call import DeferredCall, Stage
from ..messages.message import Message
from ..messages.outcome import Outcome, Progress, State, Status
from ..messages.serialization import decode
from ..messages.task_ids import Owner
from ..result import AsyncResult
from ..runtime import Runtime
from .texts import call_text

#: Options that a message does not carry: the worker finds them in the declaration.
_OF_THE_DECLARATION = {"retry_on", "public_errors"}


@dataclass(frozen=True)
class CapturedAttempt:
    """An attempt to run a captured call.

    :ivar number: from 1; as ``current_task.attempt`` told the task.
    :ivar error: what the task raised; None if it returned.
    :ivar retry_in_s: in how many seconds a worker would make the next attempt; None if
        there is none.
    """

    number: int
    error: BaseException | None = None
    retry_in_s: float | None = None


class CapturedCall:
    """A deferred call, as a worker would read it from its message.

    :ivar attempts: the attempts to run it so far.
    """

    def __init__(self, deferred: DeferredCall, runtime: Runtime) -> None:
        self._deferred = deferred
        self._runtime = runtime
        self._counted = 0
        self.attempts: list[CapturedAttempt] = []
        self.status = Status(State.PENDING)
        self.is_to_stop = False

    # -- what was deferred ---------------------------------------------------------

    @cached_property
    def message(self) -> Message:
        """The message, decoded from the text that a worker would get."""
        return self._runtime.codec.decode(self.text)

    @property
    def text(self) -> str:
        """The signed message."""
        return self._deferred.text

    @property
    def id(self) -> str:
        """The task's id."""
        return self._deferred.message.id

    @property
    def task(self) -> str:
        """The task's name, such as ``"order.mail.send_confirmation"``."""
        return self.message.target.name

    @property
    def instance(self) -> Any:
        """The record whose method is called; None for a class's, or a function."""
        target = self.message.target
        if target.instance is None:
            return None
        with self.transaction():
            return Pool().get(target.owner, type=target.kind)(target.instance)

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments; records are read anew."""
        with self.transaction():
            return tuple(decode(value) for value in self.message.args)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments; records are read anew."""
        with self.transaction():
            return {name: decode(it) for name, it in self.message.kwargs.items()}

    @property
    def user(self) -> int:
        """Id of the Tryton user as whom it runs."""
        return self.message.user

    @property
    def context(self) -> dict[str, Any]:
        """The transaction context in which it runs."""
        with self.transaction():
            return {name: decode(it) for name, it in self.message.context.items()}

    @property
    def options(self) -> dict[str, Any]:
        """The options in force, by the names that ``configure`` takes.

        Those that belong to the declaration (``retry_on``, ``public_errors``) are not
        among them.
        """
        message = self.message
        names = TaskOptions.__dataclass_fields__.keys() - _OF_THE_DECLARATION
        carried = vars(message)
        found = {name: carried.get(name, carried.get(f"{name}_s")) for name in names}
        website = None if message.web is None else message.web.website
        shared = Owner("shared", website)
        return {
            **found,
            "ignore_result": not message.keep_result,
            "attributes": message.sqs_attributes,
            "shared": self._runtime.task_ids.readable_by(self.id, [shared]),
        }

    # -- what became of it -----------------------------------------------------------

    @property
    def state(self) -> State:
        """Its state: pending, running, done, failed or cancelled."""
        if self._deferred.stage is Stage.CANCELLED:
            return State.CANCELLED
        return self.status.state

    @property
    def progress(self) -> Progress | None:
        """The progress that it has reported last."""
        return self.status.progress

    @property
    def result(self) -> AsyncResult:
        """A handle, as the deferral returned it."""
        return AsyncResult(self.id, runtime=self._runtime, deferred=self._deferred)

    @property
    def was_rolled_back(self) -> bool:
        """Whether it was dropped with its transaction, so that it never runs."""
        return self._deferred.stage is Stage.DISCARDED

    @property
    def is_dropped(self) -> bool:
        """Whether it was rolled back, or cancelled before its commit."""
        return self._deferred.stage in (Stage.DISCARDED, Stage.CANCELLED)

    @property
    def waits(self) -> bool:
        """Whether it may run, now or again."""
        return not self.is_dropped and self.status.state.waiting

    def __repr__(self) -> str:
        with self.transaction():
            return call_text(self.task, self.instance, self.args, self.kwargs)

    # -- for who runs it ---------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """The parts that serve its database."""
        return self._runtime

    def begin(self) -> int:
        """Begin an attempt; returns its number.

        From now on the transaction that deferred it may be rolled back.
        """
        pending.take(self.id, Stage.COMMITTED)
        self.status = Status(State.RUNNING)
        return self._counted + 1

    def report(self, progress: Progress) -> None:
        """Note its progress."""
        self.status = replace(self.status, progress=progress)

    def end(self, attempt: CapturedAttempt, outcome: Outcome) -> None:
        """End the last attempt."""
        self.attempts.append(attempt)
        self.status = Status(outcome.state, self.progress, outcome)

    def wait(self, attempt: CapturedAttempt, *, counts: bool) -> None:
        """End an attempt that is not the last one.

        :param counts: whether it counts as an attempt.
        """
        self.attempts.append(attempt)
        self._counted += counts
        self.status = Status(State.PENDING)

    def put_back(self) -> None:
        """Forget an attempt that begins again."""
        self.status = Status(State.PENDING)

    def cancel(self) -> State:
        """Cancel it, or ask it to stop; returns the state in which it was."""
        found = self.state
        if found.waiting:
            self.status = Status(State.CANCELLED, outcome=Outcome(cancelled=True))
        elif found is State.RUNNING:
            self.is_to_stop = True
        return found

    def roll_back(self) -> None:
        """Drop it, unless its transaction has committed."""
        pending.drop(self.id, Stage.DISCARDED, "rollback")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """An open transaction of its database, in which records can be read."""
        database = Transaction().database
        if database is not None and database.name == self._runtime.database:
            yield
            return
        started = Transaction(new=True).start(self._runtime.database, 0, readonly=True)
        with started:
            yield
