"""Which batch a call joins that is deferred now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .errors import DeferralError


@dataclass(frozen=True)
class _Membership:
    """What is deferred in a context joins a batch.

    :ivar transaction: the only one whose calls join it; None for any.
    :ivar check: checks that the batch takes members.
    """

    batch_id: str
    transaction: object
    check: Callable[[], None]


_joined: ContextVar[_Membership | None] = ContextVar("nereid_async_batch", default=None)


@contextmanager
def joined(
    batch_id: str, check: Callable[[], None], transaction: object = None
) -> Iterator[None]:
    """Let what is deferred in the context join a batch.

    :param check: checks, at each deferral, that the batch takes members.
    :param transaction: the only one whose calls join it; None for any. One that was
        begun inside of the context is another one: it may commit without the batch.
    :raises DeferralError: within another batch.
    """
    if _joined.get() is not None:
        raise DeferralError(
            "a batch cannot stand inside another batch. A member can defer into its "
            "own batch, and what a batch calls at its end can begin the next one"
        )
    token = _joined.set(_Membership(batch_id, transaction, check))
    try:
        yield
    finally:
        _joined.reset(token)


@contextmanager
def apart() -> Iterator[None]:
    """Let what is deferred in the context join no batch but by itself."""
    token = _joined.set(None)
    try:
        yield
    finally:
        _joined.reset(token)


def joined_id(transaction: object) -> str | None:
    """The id of the batch that a call joins that is deferred now; None for none.

    :param transaction: the transaction in which it is deferred.
    :raises DeferralError: the batch takes no members any more.
    """
    membership = _joined.get()
    if membership is None or membership.transaction not in (None, transaction):
        return None
    membership.check()
    return membership.batch_id
