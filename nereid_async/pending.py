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
from .runtime import Runtime
from .sending import Allowance

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


def defer(runtime: Runtime, calls: Sequence[DeferredCall]) -> None:
    """Send calls when the current transaction has committed."""
    transaction = Transaction()
    pending = transaction.join(Pending(runtime, transaction.readonly))
    if pending.fresh:
        pending.fresh = False
        hold = _hold.get()
        if hold is not None and hold.transaction is transaction:
            pending.held = True
            hold.pendings.append(pending)
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
) -> bool:
    """Drop a call of this process that is not committed; whether there was one.

    :param reason: for the signal.
    """
    call = take(task_id, stage)
    if call is None:
        return False
    signals.emit(
        signals.task_discarded,
        call.message.database,
        message=call.message,
        reason=reason,
    )
    return True


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
        if self.readonly and not self.held:
            # The transaction ends with a rollback, and there will be no signal.
            self._commit_apart()
        elif self._voting:
            # Another data manager defers while the commit is under way.
            self._vote(Transaction())

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
            rows.insert(
                connections.cursor_of(transaction),
                [call.row for call in calls],
                self.runtime.rows_are_messages,
            )
            for call in calls:
                call.has_row = True
        self._voted += calls

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
            if limit_s is None or call.message.delay_s <= limit_s
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
            rows.insert_apart(
                [call.row for call in missing], self.runtime.rows_are_messages
            )
        except Exception:
            logger.exception(
                "writing %d task(s) deferred by a read-only transaction failed; "
                "they are lost. Use route(readonly=False) for views that defer: %s",
                len(missing),
                ", ".join(call.message.id for call in missing),
            )
            self._discard(missing, "write failed")
            return [call for call in calls if call.has_row]
        for call in missing:
            call.has_row = True
        return calls

    def _discard(self, calls: Sequence[DeferredCall], reason: str) -> None:
        for call in calls:
            call.stage = Stage.DISCARDED
            signals.emit(
                signals.task_discarded,
                self.runtime.database,
                message=call.message,
                reason=reason,
            )
