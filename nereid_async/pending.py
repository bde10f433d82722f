"""The calls that one Tryton transaction has deferred: sent when it has committed.

:class:`Pending` is a data manager of the transaction. Before the commit it writes the
rows in the same transaction; after the commit it sends. In the outermost transaction of
a web request, sending waits for Nereid's signals, so that one request sends one batch,
however often it commits; see :class:`RequestHold`.

A commit does not remove data managers, and one transaction may commit several times, so
each list is emptied when it is handled. Nothing raises after a commit: that would turn
a committed request into an error, or run its view again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from trytond.transaction import Transaction

from . import open_items, signals
from .database import connections
from .deferred_batch import DeferredBatch
from .deferred_call import DeferredCall, Stage
from .messages.outcome import State
from .open_items import Item, parted
from .rows import EndedBatch, TaskRows
from .runtime import Runtime
from .sending import Allowance
from .unique import UniqueCall

logger = logging.getLogger(__name__)


class RequestHold:
    """The outermost transaction of a web request, between Nereid's signals."""

    def __init__(self, transaction: Any, outer: RequestHold | None) -> None:
        self.transaction = transaction
        #: The hold of an enclosing request, in which this one is dispatched.
        self.outer = outer
        self.pendings: list[Pending] = []
        #: What all its transactions together may send by themselves.
        self.allowance = Allowance()


_hold: ContextVar[RequestHold | None] = ContextVar("nereid_async_hold", default=None)


def begin_request() -> None:
    """Begin to hold what the current transaction defers (``transaction_start``)."""
    _hold.set(RequestHold(Transaction(), _hold.get()))


def commit_request() -> None:
    """Send what the request has committed (``transaction_commit``). Never raises."""
    hold = _hold.get()
    if hold is not None:
        for pending in hold.pendings:
            pending.flush()


def end_request() -> None:
    """Send the remaining calls and end the hold (``transaction_stop``)."""
    hold = _hold.get()
    if hold is not None:
        _hold.set(hold.outer)
        for pending in hold.pendings:
            pending.release()


def defer(runtime: Runtime, calls: Sequence[DeferredCall]) -> list[DeferredCall]:
    """Send calls when the current transaction has committed.

    :returns: the calls; in place of one whose key an earlier one of this transaction
        has, that one.
    """
    pending = _joined(runtime)
    unique = [call for call in calls if isinstance(call, UniqueCall)]
    if not unique:
        _put(pending, calls)
        return list(calls)
    waiting = pending.waiting(unique)
    return [_deferred(pending, call, waiting) for call in calls]


def _deferred(
    pending: Pending, call: DeferredCall, waiting: dict[str, str]
) -> DeferredCall:
    """Defer a call that may be a unique one.

    :param waiting: ids of waiting tasks by their keys; this one's is added.
    """
    if not isinstance(call, UniqueCall):
        _put(pending, [call])
        return call
    key, replaces = call.unique.value, call.unique.replaces
    earlier = pending.open_call(key)
    if earlier is None:
        call.meet(waiting.get(key))
        if call.is_new:
            _put(pending, [call])
            waiting[key] = call.id
            return call
        pending.put([call])
    elif replaces:
        pending.exchange(earlier, call)
    met = earlier or call
    runtime, message = pending.runtime, call.message
    merged = {"message": message, "task_id": met.id, "replaced": replaces}
    signals.emit(signals.task_merged, runtime.database, **merged)
    if replaces and runtime.on_deferred is not None:
        runtime.on_deferred(met)
    return met


def collect(runtime: Runtime, batch: DeferredBatch) -> Pending:
    """Begin to collect the members of a batch in the current transaction.

    They wait until :meth:`Pending.complete`, also if the transaction commits before.
    """
    pending = _joined(runtime)
    pending.collect(batch)
    return pending


def _joined(runtime: Runtime) -> Pending:
    """The data manager of the current transaction."""
    transaction = Transaction()
    pending: Pending = transaction.join(Pending(runtime, transaction.readonly))
    if pending.fresh:
        pending.fresh = False
        hold = _hold.get()
        if hold is not None and hold.transaction is transaction:
            pending.held = True
            hold.pendings.append(pending)
    return pending


def _put(pending: Pending, calls: Sequence[DeferredCall]) -> None:
    runtime = pending.runtime
    tell_deferred(runtime, calls)
    pending.put(calls)
    if runtime.on_deferred is not None:
        for call in calls:
            runtime.on_deferred(call)


def tell_deferred(runtime: Runtime, calls: Sequence[DeferredCall]) -> None:
    """Send the signals of calls that are deferred."""
    for call in calls:
        signals.emit(signals.task_deferred, runtime.database, message=call.message)


class Pending:
    """The data manager of one transaction and runtime, used by one thread.

    :param readonly: whether the transaction cannot write, so that rows need a
        transaction of their own.
    :ivar fresh: whether it has just been made, and not joined before.
    :ivar held: whether Nereid's signals, not the commit, decide when to send.
    """

    def __init__(self, runtime: Runtime, readonly: bool) -> None:
        self.runtime = runtime
        self.readonly = readonly
        self.fresh = True
        self.held = False
        self._open: list[Item] = []
        self._open_by_key: dict[str, UniqueCall] = {}
        self._voted: list[Item] = []
        self._committed: list[Item] = []
        self._voting = False
        #: Ids of the batches whose members are still being deferred.
        self._collecting: set[str] = set()

    # Transaction.join() returns an equal manager that has joined before.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pending) and other.runtime is self.runtime

    def __hash__(self) -> int:
        return hash((Pending, id(self.runtime)))

    def put(self, calls: Sequence[DeferredCall]) -> None:
        """Add calls; send them at once if the transaction will not commit."""
        self._add(calls)
        self._go_on()

    def collect(self, batch: DeferredBatch) -> None:
        """Add a batch, and let it and its members wait until it is complete."""
        self._collecting.add(batch.id)
        self._add([batch])

    def complete(self, batch: DeferredBatch) -> None:
        """Let a batch and its members go with the transaction."""
        self._collecting.discard(batch.id)
        self._go_on()
        if self.runtime.on_batch is not None:
            self.runtime.on_batch(batch)

    def _add(self, items: Sequence[Item]) -> None:
        self._open += items
        open_items.add(items)
        self._note_keys(items)

    def _note_keys(self, items: Sequence[Item]) -> None:
        self._open_by_key.update(
            (item.unique.value, item) for item in items if isinstance(item, UniqueCall)
        )

    def _go_on(self) -> None:
        if self.readonly and not self.held:
            # The transaction ends with a rollback, and there will be no signal.
            self._commit_apart()
        elif self._voting:
            # Another data manager defers while the commit is under way.
            self._vote(Transaction())

    # -- unique calls --------------------------------------------------------------

    def open_call(self, key: str) -> UniqueCall | None:
        """The open call that has a key; None if there is none."""
        call = self._open_by_key.get(key)
        return None if call is None or call.stage is not Stage.OPEN else call

    def waiting(self, calls: Sequence[UniqueCall]) -> dict[str, str]:
        """Ids of the tasks that have keys of calls, as this transaction sees them."""
        cursor = connections.cursor_of(Transaction())
        keys = [call.unique.value for call in calls]
        return self.runtime.needed_rows.waiting(cursor, keys)

    def exchange(self, earlier: UniqueCall, later: UniqueCall) -> None:
        """Put a later call of the same key in the place of an open one."""
        open_items.remove(earlier)
        earlier.take(later)
        open_items.add([earlier])

    # -- the data manager's part ---------------------------------------------------

    def tpc_begin(self, transaction: Any) -> None:
        """Do nothing: there is nothing to prepare."""

    def commit(self, transaction: Any) -> None:
        """Do nothing yet: other managers may still defer."""

    def tpc_vote(self, transaction: Any) -> None:
        """Write the rows in the transaction that is about to commit."""
        self._voting = True
        self._vote(transaction)

    def _vote(self, transaction: Any) -> None:
        rows = self.runtime.rows
        items = self._take_complete()
        if items and rows is not None and not self.readonly:
            self._write(rows, connections.cursor_of(transaction), items)
        self._voted += items

    def _write(
        self, rows: TaskRows, cursor: connections.Cursor, items: Sequence[Item]
    ) -> None:
        notify = self.runtime.rows_are_messages
        batches, calls = parted(items)
        if batches:
            ttl_s = self.runtime.settings.result_ttl
            rows.insert_batches(cursor, [batch.row for batch in batches], ttl_s)
        new = [call.row for call in calls if call.is_new]
        if new:
            rows.insert(cursor, new, notify)
        for call in calls:
            if isinstance(call, UniqueCall) and not call.is_new:
                call.settle(rows, cursor, notify)
        for item in items:
            item.has_row = True

    def tpc_finish(self, transaction: Any) -> None:
        """Send, since the database has committed. Never raises."""
        self._voting = False
        items, self._voted = self._voted, []
        self._commit(items)
        if not self.held:
            self.flush()

    def tpc_abort(self, transaction: Any) -> None:
        """Discard the calls that are not committed."""
        self._voting = False
        self._collecting.clear()
        items, self._voted = self._take_open() + self._voted, []
        self._discard(items, "rollback")

    def _take_open(self) -> list[Item]:
        """Take what is open, apart from what was cancelled, or is still collected.

        None of it can be cancelled now.
        """
        items, self._open = self._open, []
        self._open_by_key.clear()
        if self._collecting:
            self._open = [it for it in items if it.batch_id in self._collecting]
            items = [it for it in items if it.batch_id not in self._collecting]
            self._note_keys(self._open)
        return [item for item in items if open_items.remove(item)]

    def _take_complete(self) -> list[Item]:
        """Take what is open, with what the batches call that have no members."""
        items = self._take_open()
        batches, calls = parted(items)
        if batches:
            with_members = {call.batch_id for call in calls if not call.keeps}
            for batch in batches:
                batch.is_empty = batch.id not in with_members
                if batch.is_empty and batch.then is not None:
                    tell_deferred(self.runtime, [batch.then])
                    items.append(batch.then)
        return items

    def _commit(self, items: Sequence[Item]) -> None:
        for item in items:
            item.stage = Stage.COMMITTED
        self._committed += items

    # -- after the commit ----------------------------------------------------------

    def release(self) -> None:
        """Send the remaining calls, since no signal will follow. Never raises."""
        self.held = False
        if self.readonly and self._open:
            # Deferred by a receiver of transaction_commit; a rollback follows.
            self._commit_apart()
        else:
            self.flush()

    def _commit_apart(self) -> None:
        self._commit(self._take_complete())
        self.flush()

    def flush(self) -> None:
        """Send the committed calls, once. Never raises."""
        items, self._committed = self._committed, []
        if items:
            batches, calls = parted(self._with_rows(items))
            hold = _hold.get()
            self.runtime.send(calls, None if hold is None else hold.allowance)
            _tell_ended(self.runtime, batches)

    def _with_rows(self, items: list[Item]) -> list[Item]:
        """Write the rows that a read-only transaction could not write.

        :returns: what has its row.
        """
        rows = self.runtime.rows
        missing = [item for item in items if not item.has_row]
        if rows is None or not missing:
            return items
        try:
            self._write_apart(rows, missing)
        except Exception:
            missing = [item for item in missing if not item.has_row]
            logger.exception(
                "writing %d task(s) deferred by a read-only transaction failed; "
                "they are lost. Use route(readonly=False) for views that defer: %s",
                len(missing),
                ", ".join(item.open_id for item in missing),
            )
            self._discard(missing, "write failed")
        return [item for item in items if item.has_row]

    def _write_apart(self, rows: TaskRows, items: Sequence[Item]) -> None:
        notify = self.runtime.rows_are_messages
        batches, calls = parted(items)
        for call in calls:
            if isinstance(call, UniqueCall):
                call.place_apart(rows, notify)
                call.has_row = True
        plain = [call for call in calls if not call.has_row]
        if plain or batches:
            # The batches last: one whose members are not there would have ended.
            rows.insert_apart(
                [call.row for call in plain],
                notify,
                [batch.row for batch in batches],
                self.runtime.settings.result_ttl,
            )
        for item in items:
            item.has_row = True

    def _discard(self, items: Sequence[Item], reason: str) -> None:
        for item in items:
            item.stage = Stage.DISCARDED
            if isinstance(item, DeferredCall):
                open_items.tell_discarded(item, reason)


def _tell_ended(runtime: Runtime, batches: Sequence[DeferredBatch]) -> None:
    """Send the signals of batches that were committed without members."""
    for batch in batches:
        if batch.is_empty:
            ended = EndedBatch(batch.id, batch.name, State.DONE)
            signals.emit(signals.batch_finished, runtime.database, batch=ended)
