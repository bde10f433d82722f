"""The record of a call that was deferred while a test captures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from trytond.transaction import Transaction

from .. import open_items
from ..deferred_call import DeferredCall, Stage
from ..messages.message import Message
from ..messages.outcome import Outcome, Progress, State, Status
from ..queue_selection import is_ordered
from ..runtime import Runtime
from ..unique import UniqueCall


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


class CallRecord:
    """A deferred call, and what has become of it.

    :ivar attempts: the attempts to run it so far.
    :ivar status: as its owner reads it.
    :ivar is_to_stop: whether its run was asked to stop.
    :ivar is_forgotten: whether it never runs, since the test has cleared its capture.
    """

    def __init__(self, deferred: DeferredCall, runtime: Runtime) -> None:
        #: The call, and those that have replaced it.
        self._versions = [deferred]
        self.runtime = runtime
        self.attempts: list[CapturedAttempt] = []
        self.status = Status(State.PENDING)
        self.is_to_stop = False
        self.is_forgotten = False
        self._counted = 0
        self._was_open = False
        self._decoded: tuple[str, Message] | None = None

    @property
    def deferred(self) -> DeferredCall:
        """The call, or the one that has replaced it and was not rolled back."""
        kept = [it for it in self._versions if it.stage is not Stage.DISCARDED]
        return kept[-1] if kept else self._versions[0]

    def replace(self, deferred: DeferredCall) -> None:
        """Let another call of its key take its place."""
        if deferred not in self._versions:
            self._versions.append(deferred)

    @property
    def message(self) -> Message:
        """The message, decoded from the text that a worker would get."""
        text = self.deferred.text
        if self._decoded is None or self._decoded[0] != text:
            self._decoded = text, self.runtime.codec.decode(text)
        return self._decoded[1]

    @property
    def id(self) -> str:
        """The task's id."""
        return self.deferred.id

    @property
    def batch_id(self) -> str | None:
        """The id of the batch that it is a member of; None for none."""
        return self.deferred.batch_id

    @property
    def key(self) -> str | None:
        """The digest of the key that it has to itself; None if it has none."""
        call = self.deferred
        if not isinstance(call, UniqueCall) or self.is_dropped or self.is_forgotten:
            return None
        to_the_finish = call.unique.until == "finish" and not self.state.finished
        has_key = to_the_finish or (self.waits and not self.attempts)
        return call.unique.value if has_key else None

    @property
    def ordered_group(self) -> tuple[str, str, str] | None:
        """Its database, queue and group; None if its queue keeps no order."""
        queue, group = self.message.queue, self.message.group
        if group is None or not is_ordered(queue):
            return None
        return self.runtime.database, queue, group

    @property
    def state(self) -> State:
        """Its state."""
        if self.deferred.stage is Stage.CANCELLED:
            return State.CANCELLED
        return self.status.state

    @property
    def was_rolled_back(self) -> bool:
        """Whether it was dropped with its transaction, so that it never runs."""
        return self.deferred.stage is Stage.DISCARDED

    @property
    def is_dropped(self) -> bool:
        """Whether it was rolled back, or cancelled before its commit."""
        return self.deferred.stage in (Stage.DISCARDED, Stage.CANCELLED)

    @property
    def waits(self) -> bool:
        """Whether it may run, now or again."""
        return not self.is_dropped and self.status.state.waiting

    def begin(self) -> int:
        """Begin an attempt; returns its number.

        From now on the transaction that deferred it may be rolled back.
        """
        self._was_open |= open_items.take(self.id, Stage.COMMITTED) is not None
        self.status = Status(State.RUNNING)
        return self._counted + 1

    def report(self, progress: Progress) -> None:
        """Note its progress."""
        self.status = replace(self.status, progress=progress)

    def end(self, attempt: CapturedAttempt, outcome: Outcome) -> None:
        """End the last attempt."""
        self.attempts.append(attempt)
        self.status = Status(outcome.state, self.status.progress, outcome)

    def wait(self, attempt: CapturedAttempt, *, counts: bool) -> None:
        """End an attempt that is not the last one.

        :param counts: whether it counts as an attempt.
        """
        self.attempts.append(attempt)
        self._counted += counts
        self.status = Status(State.PENDING)

    def put_back(self) -> None:
        """Forget an attempt whose whole transaction is to begin again.

        If it was deferred in that, it is rolled back with it.
        """
        self.status = Status(State.PENDING)
        if self._was_open:
            self.deferred.stage = Stage.DISCARDED

    def forget(self) -> None:
        """Let it never run, and have no key."""
        self.is_forgotten = True
        if isinstance(self.deferred, UniqueCall):
            open_items.take(self.id, Stage.COMMITTED)

    def cancel(self) -> State:
        """Cancel it, or ask it to stop; returns the state in which it was."""
        found = self.state
        if found.waiting:
            self.status = Status(State.CANCELLED, outcome=Outcome(cancelled=True))
        elif found is State.RUNNING:
            self.is_to_stop = True
        return found

    def acknowledge(self) -> None:
        """Forget its outcome."""
        self.status = Status(self.state, gone=True)

    def roll_back(self) -> None:
        """Drop it, unless its transaction has committed."""
        open_items.drop(self.id, Stage.DISCARDED, "rollback")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """An open transaction of its database, in which records can be read."""
        database = Transaction().database
        if database is not None and database.name == self.runtime.database:
            yield
            return
        started = Transaction(new=True).start(self.runtime.database, 0, readonly=True)
        with started:
            yield
