"""``batch``: tasks that belong together, with one progress and one call at the end."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

from trytond.transaction import Transaction

from . import open_items, pending, text_options
from .deferred_batch import DeferredBatch
from .deferred_call import DeferredCall, Stage
from .errors import ConfigurationError, DeferralError, NoTransaction
from .membership import joined
from .prepared_call import PreparedCall
from .result import AsyncResult
from .runtime import Runtime, current


class Batch:
    """A batch of tasks: what is deferred inside its ``with`` block is a member of it.

    In the transaction in which the block begins; the batch is committed with it, and
    lost with it. If the block ends with an exception, neither the batch nor its members
    are deferred.

    :param name: what people call it, up to 255 characters.
    :param then: what to defer once no member is left, also if some have failed: a
        prepared call. It may be set inside the block as well.
    :param on_failure: what to defer then besides, if a member has failed; as ``then``.
    :param cancellable: let the owner cancel it from the browser.
    :param shared: let anybody who has the link see its progress.
    :raises ConfigurationError: an option cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        then: PreparedCall[Any] | None = None,
        on_failure: PreparedCall[Any] | None = None,
        cancellable: bool = False,
        shared: bool = False,
    ) -> None:
        text_options.check_text("name", name, "batch: ")
        if cancellable and shared:
            raise ConfigurationError(
                f"batch {name!r}: cancellable=True and shared=True: a shared batch has "
                "no owner who could cancel it from the browser"
            )
        self.name = name
        self.then = then
        self.on_failure = on_failure
        self._cancellable = cancellable
        self._shared = shared
        self._begun: _Begun | None = None
        self._check_calls()

    def __repr__(self) -> str:
        return f"Batch({self.name!r})"

    @property
    def id(self) -> str:
        """The batch's uuid, known from the beginning of the block on.

        :raises DeferralError: the block has not begun.
        """
        return self._entered.deferred.id

    @property
    def result(self) -> AsyncResult[dict[str, int]]:
        """The handle of the batch, known from the beginning of the block on.

        Its value is ``{"done": …, "failed": …, "cancelled": …}``, numbers of members.

        :raises DeferralError: the block has not begun.
        """
        begun = self._entered
        return AsyncResult(
            begun.deferred.id, runtime=begun.runtime, deferred=begun.deferred
        )

    @property
    def _entered(self) -> _Begun:
        if self._begun is None:
            raise DeferralError(
                f"batch {self.name!r} has not begun; begin it: `with … as batch:`"
            )
        return self._begun

    def __enter__(self) -> Batch:
        """Begin the batch.

        :raises NoTransaction: no transaction is open.
        :raises ConfigurationError: there is no outbox, or the settings, or the
            database, are not usable.
        :raises DeferralError: it begins within another batch, or for the second time.
        """
        if self._begun is not None:
            raise DeferralError(
                f"batch {self.name!r} has begun before; each one is begun once"
            )
        self._begun = _Begun(self.name, self._cancellable, self._shared)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the batch, or drop it if the block has raised.

        :raises NereidAsyncError: ``then`` or ``on_failure`` cannot be deferred; the
            batch is dropped.
        """
        begun = self._entered
        begun.stack.close()
        complete = False
        try:
            if error is None:
                self._check_calls()
                begun.complete(self._made("then"), self._made("on_failure"))
                complete = True
        finally:
            if not complete:
                begun.drop()

    def _check_calls(self) -> None:
        for option in ("then", "on_failure"):
            value = getattr(self, option)
            if not (value is None or isinstance(value, PreparedCall)):
                raise ConfigurationError(
                    f"batch {self.name!r}: {option}={value!r}: a prepared call, such "
                    f"as {option}=Model.method.prepare(arguments)"
                )

    def _made(self, option: str) -> DeferredCall | None:
        prepared: PreparedCall[Any] | None = getattr(self, option)
        if prepared is None:
            return None
        made = prepared.made()
        if made.message.key is not None:
            raise ConfigurationError(
                f"batch {self.name!r}: {option}={made.message.target.name} has a key; "
                "a batch defers it once anyway: .configure(key=None).prepare(...)"
            )
        return made


class _Begun:
    """A batch whose block has begun.

    :ivar stack: what to leave at the end of the block.
    """

    def __init__(self, name: str, cancellable: bool, shared: bool) -> None:
        transaction = Transaction()
        if transaction.database is None:
            raise NoTransaction(
                f"batch {name!r} was begun without a Tryton transaction, so there is "
                "no commit to wait for; begin it inside `with Transaction().start(...)`"
            )
        self.runtime = _runtime(name)
        caller = self.runtime.caller(0, shared)
        self.deferred = DeferredBatch(
            self.runtime.task_ids.new(caller.owner),
            name,
            transaction.user,
            cancellable=cancellable,
        )
        self.stack = ExitStack()
        self.stack.enter_context(
            joined(self.deferred.id, self.deferred.check_open, transaction)
        )
        self._pending = pending.collect(self.runtime, self.deferred)

    def complete(
        self, then: DeferredCall | None, on_failure: DeferredCall | None
    ) -> None:
        """Let the batch go with the transaction.

        :raises DeferralError: it was rolled back meanwhile.
        """
        if self.deferred.stage is Stage.DISCARDED:
            self.deferred.check_open()
        self.deferred.then, self.deferred.on_failure = then, on_failure
        self._pending.complete(self.deferred)

    def drop(self) -> None:
        """Drop the batch with its members."""
        open_items.drop(self.deferred.id, Stage.DISCARDED, "batch dropped")
        self._pending.complete(self.deferred)


def _runtime(name: str) -> Runtime:
    runtime = current()
    if runtime.rows is None:
        raise ConfigurationError(
            f"batch {name!r} needs rows of its members, and there are none without an "
            "outbox. Set outbox = yes"
        )
    runtime.check_database()
    return runtime
