"""The record of a batch that was deferred while a test captures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from .. import batch_end, open_items
from ..deferred_batch import DeferredBatch
from ..deferred_call import Stage
from ..messages.outcome import State, Status
from ..rows import EndedBatch
from ..rows.batch_status import ended_counts, outcome_of, progress_of
from ..rows.batches import called
from ..runtime import Runtime
from .call_record import CallRecord


class BatchRecord:
    """A batch, the calls that are its members, and what has become of it.

    :param runtime: what captures.
    :ivar calls: its members, also those that were dropped.
    :ivar is_to_cancel: whether it was cancelled after its commit.
    :ivar is_forgotten: whether it never ends, since the test has cleared its capture.
    """

    def __init__(self, deferred: DeferredBatch, runtime: Runtime) -> None:
        self.deferred = deferred
        self.runtime = runtime
        self.calls: list[CallRecord] = []
        self.is_to_cancel = False
        self.is_forgotten = False
        self._ended: EndedBatch | None = None
        self._is_gone = False
        self._was_open = False

    @property
    def id(self) -> str:
        """The batch's id."""
        return self.deferred.id

    @property
    def members(self) -> list[CallRecord]:
        """Its members, but those that were dropped before their commit."""
        return [it for it in self.calls if not it.is_dropped]

    @property
    def is_dropped(self) -> bool:
        """Whether it was rolled back, or cancelled before its commit."""
        return self.deferred.stage in (Stage.DISCARDED, Stage.CANCELLED)

    @property
    def status(self) -> Status:
        """As its owner reads it."""
        ended = self._ended
        if ended is None:
            counts = Counter(it.state for it in self.members)
            return Status(State.RUNNING, progress_of(counts), of_batch=True)
        if self._is_gone:
            return Status(ended.state, gone=True, of_batch=True)
        numbers = [ended.done, ended.failed, ended.cancelled]
        outcome = outcome_of(ended.state, numbers)
        return Status(ended.state, outcome=outcome, of_batch=True)

    def begin(self) -> None:
        """Let it go, as a commit does.

        From now on the transaction that deferred it may be rolled back.
        """
        self._was_open |= open_items.take(self.id, Stage.COMMITTED) is not None

    def look(self) -> None:
        """End it if no member is left, and defer what it calls then."""
        if self._ended or self.is_forgotten or self.is_dropped:
            return
        self.begin()
        if self.deferred.is_empty:
            self._end_at_commit()
        else:
            batch_end.look(self.runtime, self.id)

    def _end_at_commit(self) -> None:
        """End as one without members, whose transaction has told of its call."""
        self._ended = EndedBatch(self.id, self.deferred.name, State.DONE)
        then, on_deferred = self.deferred.then, self.runtime.on_deferred
        if then is not None and on_deferred is not None:
            on_deferred(then)

    def left(self) -> tuple[bool, bool] | None:
        """Whether members are left, and whether it is to be cancelled.

        None if it has ended.
        """
        if self._ended is not None:
            return None
        # The last ones run last.
        calls = reversed(self.calls)
        is_left = any(not (it.is_dropped or it.state.finished) for it in calls)
        return is_left, self.is_to_cancel

    def end(self, callback: Callable[[str], object]) -> EndedBatch | None:
        """End it, and make the calls that it defers then.

        :param callback: makes a call from its text.
        :returns: None if a member is left, or it has ended before.
        """
        found = self.left()
        if found is None or found[0]:
            return None
        state = State.CANCELLED if self.is_to_cancel else State.DONE
        counts = ended_counts(Counter(it.state for it in self.members))
        row = self.deferred.row
        self._ended = EndedBatch(self.id, row.name, state, **counts)
        for text in called(self._ended, row.then, row.on_failure):
            callback(text)
        return self._ended

    def cancel(self) -> State:
        """Note that it is to be cancelled; returns the state in which it was."""
        found = self.status.state
        self.is_to_cancel |= self._ended is None
        return found

    def cancel_members(self) -> int:
        """Cancel the members that wait; returns their number.

        One that runs is asked to stop.
        """
        return sum(call.cancel().waiting for call in self.members)

    def acknowledge(self) -> None:
        """Forget its result."""
        self._is_gone = True

    def roll_back(self) -> None:
        """Drop it, unless its transaction has committed."""
        open_items.drop(self.id, Stage.DISCARDED, "rollback")

    def put_back(self) -> None:
        """Drop it if its transaction, which is to begin again, has deferred it."""
        if self._was_open:
            self.deferred.stage = Stage.DISCARDED
