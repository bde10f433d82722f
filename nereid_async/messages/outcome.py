"""What becomes of a task: its states, its progress, and how it ended.

Rows, brokers, results and workers speak of these, so they know none of those.
"""

from __future__ import annotations

import math
import secrets
import sys
import traceback
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import BadMessage
from ..texts import cut, cut_inside, storable
from .serialization import Json

MESSAGE_MAX_CHARS = 1_000
_LARGEST = int(sys.float_info.max)

#: Bounds of a failure as it is kept and sent: together far below 1 MiB, which is what
#: SQS takes, even if each character is written as the twelve bytes of two escapes.
_FAILURE_TYPE_CHARS = 200
_FAILURE_MESSAGE_CHARS = 10_000
_FAILURE_TRACEBACK_CHARS = 60_000
_FAILURE_ID_BYTES = 4

#: Where the translated sentence cannot be had; it has the same text in English.
_COULD_NOT = "The task could not be completed."
_PLEASE_QUOTE = "If you ask us about it, please quote the error number"


class State(str, Enum):
    """Where a task stands."""

    #: Written by its caller; nobody has it yet.
    PENDING = "pending"
    #: The queue service has confirmed the message (SQS only).
    SENT = "sent"
    #: Claimed by a worker.
    RUNNING = "running"
    #: Committed.
    DONE = "done"
    #: Given up for good.
    FAILED = "failed"
    #: Its caller, or an administrator, wanted it no more.
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the task."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)

    @property
    def waiting(self) -> bool:
        """Whether nobody runs the task yet."""
        return self in (State.PENDING, State.SENT)


@dataclass(frozen=True)
class Progress:
    """How far a running task says it is; the numbers are the task's own.

    :ivar done: finite, or None where what was told is no number.
    """

    done: float | None
    total: float | None = None
    message: str | None = None

    @classmethod
    def of(cls, done: Any, total: Any = None, message: Any = None) -> Progress:
        """Take whatever was told, as far as it makes sense. Never raises.

        A number becomes a finite float, or None; an int beyond the largest float
        becomes that. A message becomes plain text of up to
        :data:`MESSAGE_MAX_CHARS` characters.
        """
        return cls(_number(done), _number(total), _text(message))

    def as_json(self) -> Json:
        """The form the endpoint answers with."""
        return {"done": self.done, "total": self.total, "message": self.message}


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        if isinstance(value, int):
            value = min(max(value, -_LARGEST), _LARGEST)
        number = float(value)
    except Exception:
        # Whatever the value's own method raises.
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return storable(cut(str(value), MESSAGE_MAX_CHARS))
    except Exception:
        # As above: a translation may be looked up now.
        return None


@dataclass(frozen=True)
class Failure:
    """Why a task failed for good.

    :ivar type: name of the exception's class.
    :ivar traceback: for the task's own side, as are type and message if not public.
    :ivar id: stands in the row, in the log, and in what a visitor is told.
    :ivar public: whether type and message are for visitors.
    :ivar sentence: what they are told instead, in their language.
    """

    type: str
    message: str
    traceback: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(_FAILURE_ID_BYTES))
    public: bool = False
    sentence: str = ""

    @classmethod
    def of(
        cls, error: BaseException, *, traced: bool = True, public: bool = False
    ) -> Failure:
        """What is kept of an exception; what is too long is cut, with a note.

        :param traced: whether it matters where it was raised.
        :param public: whether its text is for visitors.
        """
        return cls(
            cut_inside(type(error).__name__, _FAILURE_TYPE_CHARS),
            cut_inside(_message(error), _FAILURE_MESSAGE_CHARS),
            cut_inside(_traceback(error), _FAILURE_TRACEBACK_CHARS) if traced else "",
            public=public,
        )

    @property
    def text(self) -> str:
        """Type and message in one line."""
        return f"{self.type}: {self.message}"

    def as_json(self) -> dict[str, Json]:
        """The form in which it is stored, without the traceback."""
        stored: dict[str, Json] = {
            "type": self.type,
            "message": self.message,
            "id": self.id,
        }
        if self.public:
            stored["public"] = True
        elif self.sentence:
            stored["sentence"] = self.sentence
        return stored

    @classmethod
    def from_json(cls, stored: Any, traceback: str = "") -> Failure:
        """Read what :meth:`as_json` gave, also that of an older release.

        :raises BadMessage: it was written by something else.
        """
        if not isinstance(stored, dict) or not {"type", "message"} <= stored.keys():
            raise BadMessage("no failure that this release has written")
        return cls(
            stored["type"],
            stored["message"],
            traceback,
            stored.get("id", ""),
            stored.get("public", False),
            stored.get("sentence", ""),
        )

    def for_browser(self) -> dict[str, Json]:
        """The form the endpoint answers with."""
        if self.public:
            return {"type": self.type, "message": self.message}
        told: dict[str, Json] = {"type": "TaskFailed", "message": self._sentence()}
        return {**told, "id": self.id} if self.id else told

    def _sentence(self) -> str:
        if self.sentence or not self.id:
            return self.sentence or _COULD_NOT
        return f"{_COULD_NOT} {_PLEASE_QUOTE} {self.id}."


def _message(error: BaseException) -> str:
    try:
        # Tryton's errors have it apart from what str() puts together.
        text = getattr(error, "message", None)
        return text if isinstance(text, str) and text else str(error)
    except Exception as untold:
        return f"(str() of the exception raised {type(untold).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as untold:
        return f"(the traceback cannot be told: {type(untold).__name__})"


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    :ivar value: the encoded result; None also where it was not to be kept.
    :ivar browser_value: the plain form, where it differs and a browser may ask.
    :ivar cancelled: whether it was cancelled; then there is no value.
    """

    value: Json = None
    browser_value: Json = None
    failure: Failure | None = None
    cancelled: bool = False

    def as_json(self) -> Json:
        """The form in which it is stored and sent."""
        if self.cancelled:
            return {"cancelled": True}
        if self.failure is not None:
            error = self.failure.as_json()
            return {"error": error, "traceback": self.failure.traceback}
        if self.browser_value == self.value:
            return {"value": self.value}
        return {"value": self.value, "browser": self.browser_value}

    @classmethod
    def from_json(cls, stored: Any) -> Outcome:
        """Read what :meth:`as_json` gave.

        :raises BadMessage: it was written by something else.
        """
        kinds = {"error", "value", "cancelled"}
        if not isinstance(stored, dict) or not kinds & stored.keys():
            raise BadMessage("no outcome that this release has written")
        if "cancelled" in stored:
            return cls(cancelled=True)
        if "error" in stored:
            traceback = stored.get("traceback", "")
            return cls(failure=Failure.from_json(stored["error"], traceback))
        value = stored["value"]
        return cls(value=value, browser_value=stored.get("browser", value))

    @property
    def state(self) -> State:
        """DONE, FAILED or CANCELLED."""
        if self.cancelled:
            return State.CANCELLED
        return State.DONE if self.failure is None else State.FAILED


@dataclass(frozen=True)
class Status:
    """What can be told of a task now.

    :ivar state: where it stands; SENT is told as PENDING outside.
    :ivar outcome: how it ended; None while it has not, and once that is gone.
    :ivar gone: whether the outcome was there and is not any more.
    """

    state: State
    progress: Progress | None = None
    outcome: Outcome | None = None
    gone: bool = False
