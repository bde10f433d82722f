"""Dead letters as a broker keeps them, besides the rows of failed tasks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class DeadMessage:
    """A message among the dead letters.

    :ivar id: the service's own.
    :ivar queue: short name of the queue that it was in.
    :ivar receipt: by which it is settled.
    :ivar attributes: all that it bears.
    :ivar reason: why it is dead; None if no worker has put it there.
    :ivar token: token of the failure in its task's row; None if it names none.
    :ivar since: when it was put there, in UTC; None if the service does not tell.
    :ivar group: the group of an ordered queue's message, as the service knows it; None
        in any other queue.
    """

    id: str
    queue: str
    text: str
    receipt: str
    attributes: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    token: str | None = None
    since: dt.datetime | None = None
    group: str | None = None


class DeadLetterQueues(Protocol):
    """The dead letters of all queues of a database. For one thread.

    What is received is hidden from others for a while, until :meth:`close` at the
    latest.
    """

    def queues(self) -> list[str]:
        """Short names of the queues that may have dead letters.

        :raises ConfigurationError: they are those of another account.
        :raises TransportError: the service could not be asked.
        """

    def count(self, queue: str) -> int:
        """The approximate number of dead letters of a queue.

        :raises TransportError: the service could not be asked.
        """

    def received(self, queue: str) -> Iterator[DeadMessage]:
        """The dead letters of a queue, each once.

        :raises TransportError: the service could not be asked.
        """

    def move_back(self, letter: DeadMessage) -> None:
        """Send a letter to its queue, then delete it.

        :raises TransportError: it is still among the dead letters.
        """

    def delete(self, letter: DeadMessage) -> None:
        """Delete a letter.

        :raises TransportError: it is still among the dead letters.
        """

    def close(self) -> None:
        """Release what was received and is still there."""
