"""What rows are outside of the database."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..messages.message import Message


@dataclass(frozen=True)
class Row:
    """A row to be written: the message and its signed text."""

    message: Message
    text: str


@dataclass(frozen=True)
class UnsentRow:
    """A committed row whose message is to be sent.

    :ivar due_in_s: seconds until it is due, 0 if it is.
    :ivar late_s: for how many seconds it could have been sent.
    :ivar refused: whether the queue service has refused it before.
    """

    id: str
    queue: str
    text: str
    due_in_s: float = 0.0
    late_s: float = 0.0
    refused: bool = False


@dataclass(frozen=True)
class Claim:
    """A task taken for one run.

    :ivar token: guards the finish.
    :ivar attempt: how many runs were started before.
    :ivar started: whether the run counts as started already.
    :ivar held_until_s: until when nobody takes it over, even if no sign of life is
        given: by this process's monotonic clock, and rather too early.
    """

    id: str
    token: str
    attempt: int
    queue: str = ""
    text: str = ""
    started: bool = False
    held_until_s: float = field(default=float("inf"), compare=False)


@dataclass(frozen=True)
class Starts:
    """Which claims are the mark of a start as well: of tasks that have not run yet.

    :ivar worker: who starts them.
    :ivar again: whether those of tasks that have run before are, too.
    """

    worker: str
    again: bool = False
