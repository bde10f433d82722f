"""A batch on the side of its caller, from its ``with`` block to the commit."""

from __future__ import annotations

from .deferred_call import DeferredCall, Stage
from .errors import DeferralError
from .rows import BatchRow


class DeferredBatch:
    """A batch in its caller's process.

    :ivar then: the call to defer when no member is left; None for none.
    :ivar on_failure: the call to defer as well if a member has failed.
    :ivar has_row: whether its row was written.
    :ivar is_empty: whether it was closed without a member.
    """

    #: What errors call it.
    kind = "batch"
    keeps_state = True
    is_new = True

    def __init__(self, id: str, name: str, user: int, *, cancellable: bool) -> None:
        self.id = id
        self.name = name
        self.then: DeferredCall | None = None
        self.on_failure: DeferredCall | None = None
        self.stage = Stage.OPEN
        self.has_row = False
        self.is_empty = False
        self._user = user
        self._cancellable = cancellable

    @property
    def open_id(self) -> str:
        """The id by which it is found while its transaction is open."""
        return self.id

    @property
    def batch_id(self) -> str:
        """Its own id; of a call, that of its batch."""
        return self.id

    @property
    def row(self) -> BatchRow:
        """The row to write for it."""
        return BatchRow(
            self.id,
            self.name,
            self._user,
            self._cancellable,
            None if self.then is None else self.then.text,
            None if self.on_failure is None else self.on_failure.text,
            ended=self.is_empty,
        )

    def check_open(self) -> None:
        """Check that it takes members.

        :raises DeferralError: it was cancelled, or rolled back.
        """
        if self.stage is not Stage.OPEN:
            what = "cancelled" if self.stage is Stage.CANCELLED else "rolled back"
            raise DeferralError(
                f"batch {self.name!r} was {what} inside of its `with` block, and takes "
                "no members any more"
            )
