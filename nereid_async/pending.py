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

from . import signals
from .database import connections
from .deferred_call import DeferredCall, Stage
from .rows import TaskRows
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
    for call in calls:
        signals.emit(signals.task_deferred, runtime.database, message=call.message)
    pending.put(calls)
    if runtime.on_deferred is not None:
        for call in calls:
            runtime.on_deferred(call)


#: Calls whose transaction has not begun to commit, by id. Who takes one out decides
#: what becomes of it: its transaction, or a thread that cancels it.
_open_calls: dict[str, DeferredCall] = {}


def take(task_id: str, stage: Stage) -> DeferredCall | None:
    """Take a call that is not committed out of its transaction; None if there is none.

    :param stage: its stage from now on.
    """
    call = _open_calls.pop(task_id, None)
    if call is not None:
        call.stage = stage
    return call


def drop(
    task_id: str, stage: Stage = Stage.CANCELLED, reason: str = "cancelled"
) -> DeferredCall | None:
    """Drop a call of this process that is not committed; None if there is none.

    :param reason: for the signal.
    """
    call = take(task_id, stage)
    if call is not None and call.is_new:
        signals.emit(
            signals.task_discarded,
            call.message.database,
            message=call.message,
            reason=reason,
        )
    return call


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
        self._open: list[DeferredCall] = []
        self._open_by_key: dict[str, UniqueCall] = {}
        self._voted: list[DeferredCall] = []
        self._committed: list[DeferredCall] = []
        self._voting = False

    # Transaction.join() returns an equal manager that has joined before.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pending) and other.runtime is self.runtime

    def __hash__(self) -> int:
        return hash((Pending, id(self.runtime)))

    def put(self, calls: Sequence[DeferredCall]) -> None:
        """Add calls; send them at once if the transaction will not commit."""
        self._open += calls
        _open_calls.update((call.message.id, call) for call in calls)
        self._open_by_key.update(
            (call.unique.value, call) for call in calls if isinstance(call, UniqueCall)
        )
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
        _open_calls.pop(earlier.message.id, None)
        earlier.take(later)
        _open_calls[earlier.message.id] = earlier

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
        calls = self._take_open()
        if calls and rows is not None and not self.readonly:
            self._write(rows, connections.cursor_of(transaction), calls)
        self._voted += calls

    def _write(
        self, rows: TaskRows, cursor: connections.Cursor, calls: list[DeferredCall]
    ) -> None:
        notify = self.runtime.rows_are_messages
        new = [call.row for call in calls if call.is_new]
        if new:
            rows.insert(cursor, new, notify)
        for call in calls:
            if isinstance(call, UniqueCall) and not call.is_new:
                call.settle(rows, cursor, notify)
            call.has_row = True

    def tpc_finish(self, transaction: Any) -> None:
        """Send, since the database has committed. Never raises."""
        self._voting = False
        calls, self._voted = self._voted, []
        for call in calls:
            call.stage = Stage.COMMITTED
        self._committed += calls
        if not self.held:
            self.flush()

    def tpc_abort(self, transaction: Any) -> None:
        """Discard the calls that are not committed."""
        self._voting = False
        calls, self._voted = self._take_open() + self._voted, []
        self._discard(calls, "rollback")

    def _take_open(self) -> list[DeferredCall]:
        """Take the open calls, apart from cancelled ones; none can be cancelled now."""
        calls, self._open = self._open, []
        self._open_by_key.clear()
        return [call for call in calls if _open_calls.pop(call.message.id, None)]

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
        calls = self._take_open()
        for call in calls:
            call.stage = Stage.COMMITTED
        self._committed += calls
        self.flush()

    def flush(self) -> None:
        """Send the committed calls, once. Never raises."""
        calls, self._committed = self._committed, []
        if not calls:
            return
        limit_s = self.runtime.broker.max_delay_s
        # A task with a longer delay waits in its row; the relay sends it.
        ready = [
            call
            for call in self._with_rows(calls)
            if call.is_to_send and (limit_s is None or call.message.delay_s <= limit_s)
        ]
        if ready:
            hold = _hold.get()
            self.runtime.sender.send(ready, None if hold is None else hold.allowance)

    def _with_rows(self, calls: list[DeferredCall]) -> list[DeferredCall]:
        """Write the rows that a read-only transaction could not write.

        :returns: the calls that can be sent.
        """
        rows = self.runtime.rows
        missing = [call for call in calls if not call.has_row]
        if rows is None or not missing:
            return calls
        try:
            self._write_apart(rows, missing)
        except Exception:
            missing = [call for call in missing if not call.has_row]
            logger.exception(
                "writing %d task(s) deferred by a read-only transaction failed; "
                "they are lost. Use route(readonly=False) for views that defer: %s",
                len(missing),
                ", ".join(call.message.id for call in missing),
            )
            self._discard(missing, "write failed")
        return [call for call in calls if call.has_row]

    def _write_apart(self, rows: TaskRows, calls: list[DeferredCall]) -> None:
        notify = self.runtime.rows_are_messages
        plain = [call for call in calls if not isinstance(call, UniqueCall)]
        if plain:
            rows.insert_apart([call.row for call in plain], notify)
        for call in calls:
            if isinstance(call, UniqueCall):
                call.place_apart(rows, notify)
            call.has_row = True

    def _discard(self, calls: Sequence[DeferredCall], reason: str) -> None:
        for call in calls:
            call.stage = Stage.DISCARDED
            if call.is_new:
                signals.emit(
                    signals.task_discarded,
                    self.runtime.database,
                    message=call.message,
                    reason=reason,
                )
