"""The parts that serve a database while a test captures: nothing is written or sent."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .. import settings
from ..deferred_batch import DeferredBatch
from ..deferred_call import DeferredCall
from ..messages.outcome import Outcome, State, Status
from ..messages.outcome_codec import OutcomeCodec
from ..results.base import ResultStore
from ..rows import BatchRow, EndedBatch, Placed, Row, TaskRows, UniqueKey
from ..runtime import Runtime, build
from ..sending import Allowance, Sender
from .batch_record import BatchRecord
from .call_record import CallRecord

Calls = Mapping[str, CallRecord]
Batches = Mapping[str, BatchRecord]


def of_process(database: str) -> Runtime:
    """A runtime by trytond.conf, which need not have a ``signing_key`` in a test.

    :raises ConfigurationError: a setting is not usable.
    """
    return build(database, settings.load({"SECRET_KEY": secrets.token_hex()}))


def capturing(
    runtime: Runtime,
    calls: Calls,
    batches: Batches,
    on_deferred: Callable[[DeferredCall], None],
    on_batch: Callable[[DeferredBatch], None],
) -> Runtime:
    """A runtime as the given one, whose deferred calls go nowhere.

    :param calls: the captured calls, by id; more may be added.
    :param batches: the captured batches, as ``calls``.
    :param on_deferred: is told of each call.
    :param on_batch: is told of each batch.
    """
    rows = None
    if runtime.rows is not None:
        rows = CapturedRows(runtime.database, runtime.outcomes, calls, batches)
    return replace(
        runtime,
        rows=rows,
        results=CapturedResults(runtime.results, calls, batches),
        sender=NoSender(runtime.database),
        on_deferred=on_deferred,
        on_batch=on_batch,
    )


class NoSender(Sender):
    """Sends nothing."""

    def send(
        self, calls: Sequence[DeferredCall], allowance: Allowance | None = None
    ) -> None:
        """Do nothing."""


class CapturedRows(TaskRows):
    """Writes no rows. Knows captured calls, and the rows of other tasks."""

    def __init__(
        self, database: str, outcomes: OutcomeCodec, calls: Calls, batches: Batches
    ) -> None:
        super().__init__(database, outcomes)
        self._calls = calls
        self._batches = batches

    def insert(self, cursor: object, rows: Sequence[Row], notify: bool) -> None:
        """Do nothing."""

    def insert_apart(
        self,
        rows: Sequence[Row],
        notify: bool,
        batches: Sequence[BatchRow] = (),
        ttl_s: float = 0,
    ) -> None:
        """Do nothing."""

    def insert_batches(
        self, cursor: object, batches: Sequence[BatchRow], ttl_s: float
    ) -> None:
        """Do nothing."""

    def place_apart(
        self, key: UniqueKey, task_id: str, row_of: Callable[[str], Row], notify: bool
    ) -> Placed:
        """Do nothing but say which task it is."""
        waiting = self.waiting(None, [key.value])
        return Placed(waiting.get(key.value, task_id), State.PENDING)

    def waiting(self, cursor: object, keys: Sequence[str]) -> dict[str, str]:
        """The ids of the captured calls that have keys, by those."""
        found = ((call.key, call.id) for call in self._calls.values())
        return {key: task_id for key, task_id in found if key and key in keys}

    def keep(self, cursor: object, task_id: str, notify: bool) -> None:
        """Do nothing."""

    def replace(self, cursor: object, row: Row, notify: bool) -> State:
        """Do nothing."""
        return State.PENDING

    def cancel(self, task_id: str, *, interrupt: bool = False) -> State | None:
        """Cancel a call; a run is asked to stop, and not interrupted."""
        if task_id in self._batches:
            return None
        call = self._calls.get(task_id)
        if call is None:
            return super().cancel(task_id, interrupt=interrupt)
        return call.cancel()

    def text_of(self, task_id: str) -> str | None:
        """The text of a call."""
        if task_id in self._batches:
            return None
        call = self._calls.get(task_id)
        return super().text_of(task_id) if call is None else call.deferred.text

    # -- batches ---------------------------------------------------------------------

    def batch_of(self, task_id: str) -> str | None:
        """The id of the batch that a call is a member of."""
        call = self._calls.get(task_id)
        return super().batch_of(task_id) if call is None else call.batch_id

    def batch_cancellable(self, batch_id: str) -> bool:
        """Whether its owner may cancel it from the browser."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return super().batch_cancellable(batch_id)
        return batch.deferred.row.cancellable

    def look_at_batch(self, batch_id: str) -> tuple[bool, bool] | None:
        """Whether members are left, and whether it is to be cancelled."""
        batch = self._batches.get(batch_id)
        return super().look_at_batch(batch_id) if batch is None else batch.left()

    def end_batch(
        self,
        batch_id: str,
        ttl_s: float,
        callback: Callable[[str], Row],
        notify: bool,
    ) -> EndedBatch | None:
        """End a batch of which no member is left."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return super().end_batch(batch_id, ttl_s, callback, notify)
        return batch.end(callback)

    def cancel_batch(self, batch_id: str) -> State | None:
        """Note that a batch is to be cancelled."""
        batch = self._batches.get(batch_id)
        return super().cancel_batch(batch_id) if batch is None else batch.cancel()

    def cancel_members(self, batch_id: str, *, interrupt: bool = False) -> int:
        """Cancel members; those that run are asked to stop, and not interrupted."""
        batch = self._batches.get(batch_id)
        if batch is None:
            return super().cancel_members(batch_id, interrupt=interrupt)
        return batch.cancel_members()


class CapturedResults:
    """Tells what became of captured calls; of other tasks what their store tells."""

    needs_acknowledgement = False

    def __init__(self, others: ResultStore, calls: Calls, batches: Batches) -> None:
        self._others = others
        self._calls = calls
        self._batches = batches

    def look(self, task_id: str) -> Status | None:
        """Read a status; see :class:`~..results.base.ResultStore`."""
        found = self._calls.get(task_id) or self._batches.get(task_id)
        return self._others.look(task_id) if found is None else found.status

    def delete(self, task_id: str) -> None:
        """Remove an outcome."""
        found = self._calls.get(task_id) or self._batches.get(task_id)
        if found is None:
            self._others.delete(task_id)
        else:
            found.acknowledge()

    # Workers use the rest, and none takes part.

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Do nothing."""

    def withdraw(self, task_id: str) -> None:
        """Do nothing."""

    def reap(self) -> int:
        """Remove nothing."""
        return 0
