"""A captured batch, as tests see it."""

from __future__ import annotations

from dataclasses import dataclass

from ..messages.outcome import Progress, State
from ..result import AsyncResult
from .batch_record import BatchRecord
from .captured_call import CapturedCall


@dataclass(frozen=True, repr=False)
class CapturedBatch:
    """A deferred batch.

    :ivar record: what this package knows of it.
    """

    record: BatchRecord

    @property
    def id(self) -> str:
        """The batch's id."""
        return self.record.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.record.deferred.name

    @property
    def members(self) -> list[CapturedCall]:
        """Its members, in the order of their deferrals."""
        return [CapturedCall(it) for it in self.record.members]

    @property
    def state(self) -> State:
        """Its state: running, done or cancelled."""
        return self.record.status.state

    @property
    def progress(self) -> Progress | None:
        """How many of its members have ended; None if all have."""
        return self.record.status.progress

    @property
    def result(self) -> AsyncResult[dict[str, int]]:
        """A handle, as ``batch.result`` is."""
        return AsyncResult(
            self.id, runtime=self.record.runtime, deferred=self.record.deferred
        )

    def __repr__(self) -> str:
        return f"<batch {self.name!r} of {len(self.members)}>"
