"""The records of a task's state, progress, failure, outcome and status.

Rows, brokers, results and workers use them; they depend on none of those.
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

#: Limits of a failure in rows and replies. Together they are below the size of an SQS
#: message, even if each character is written as two escapes of six bytes.
_FAILURE_TYPE_CHARS = 200
_FAILURE_MESSAGE_CHARS = 10_000
_FAILURE_TRACEBACK_CHARS = 60_000
_FAILURE_ID_BYTES = 4

#: Used where the translated sentence is not available; its English text is the same.
_COULD_NOT = "The task could not be completed."
_PLEASE_QUOTE = "If you ask us about it, please quote the error number"


class State(str, Enum):
    """The state of a task."""

    #: Waits in its row.
    PENDING = "pending"
    #: Waits in a queue of SQS, which has confirmed the message.
    SENT = "sent"
    #: Claimed by a worker.
    RUNNING = "running"
    #: Committed.
    DONE = "done"
    #: Failed for good.
    FAILED = "failed"
    #: Cancelled by its owner, its code or an administrator.
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        # As StrEnum of Python 3.11; an Enum would say "State.DONE".
        return str(self.value)

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)

    @property
    def waiting(self) -> bool:
        """Whether the task waits for a worker."""
        return self in (State.PENDING, State.SENT)


@dataclass(frozen=True)
class Progress:
    """The progress that a running task reports, in units of its own.

    :ivar done: how much is done; finite, or None if the task gave no number.
    :ivar total: how much there is to do; as ``done``.
    :ivar message: what is going on.
    :ivar failed: of a batch, how many of the members that are ``done`` have failed;
        None for a task.
    """

    done: float | None
    total: float | None = None
    message: str | None = None
    failed: int | None = None

    @classmethod
    def of(cls, done: Any, total: Any = None, message: Any = None) -> Progress:
        """Make a record of any values. Never raises.

        A number becomes a finite float, or None; an int beyond the largest float
        becomes that float. A message becomes text of up to :data:`MESSAGE_MAX_CHARS`
        characters.
        """
        return cls(_number(done), _number(total), _text(message))

    def as_json(self) -> Json:
        """The JSON of the endpoint's answers."""
        told: dict[str, Json] = {
            "done": self.done,
            "total": self.total,
            "message": self.message,
        }
        return told if self.failed is None else {**told, "failed": self.failed}


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        if isinstance(value, int):
            value = min(max(value, -_LARGEST), _LARGEST)
        number = float(value)
    except Exception:
        # The value's own method may raise anything.
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return storable(cut(str(value), MESSAGE_MAX_CHARS))
    except Exception:
        # As above: str() of a lazy text looks up its translation.
        return None


@dataclass(frozen=True)
class Failure:
    """Why a task has failed for good.

    :ivar type: name of the exception's class.
    :ivar message: text of the exception.
    :ivar traceback: never shown to browsers.
    :ivar id: random id in the row, in the log and in answers to browsers.
    :ivar public: whether browsers are told type and message.
    :ivar sentence: what browsers are told otherwise, in the caller's language.
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
        """Make a failure of an exception; long texts are cut, with a note.

        :param traced: whether to keep the traceback.
        :param public: whether the owner may read the exception's text.
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
        """The JSON in which it is stored, without the traceback."""
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
        """Read the JSON of :meth:`as_json`, also that of an older release.

        :raises BadMessage: it is no such JSON.
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
        """The JSON of the endpoint's answers."""
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
        # The str() of Tryton's errors has more than their message.
        text = getattr(error, "message", None)
        return text if isinstance(text, str) and text else str(error)
    except BaseException as untold:
        # Whatever a text raises: it is not to cost the outcome.
        return f"(str() of the exception raised {type(untold).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as untold:
        return f"(the traceback cannot be told: {type(untold).__name__})"


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    :ivar value: the encoded result; None also if it is not kept.
    :ivar browser_value: the result as plain JSON if browsers may read it, else as
        ``value``.
    :ivar failure: why it failed; None if it did not.
    :ivar cancelled: whether it was cancelled; then there is no value.
    """

    value: Json = None
    browser_value: Json = None
    failure: Failure | None = None
    cancelled: bool = False

    def as_json(self) -> Json:
        """The JSON in which it is stored and sent."""
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
        """Read the JSON of :meth:`as_json`.

        :raises BadMessage: it is no such JSON.
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
    """The status of a task, or of a batch, as a result store reads it.

    :ivar outcome: how it ended; None if it has not, or if that is not kept any more.
    :ivar gone: whether the outcome is not kept any more.
    :ivar of_batch: whether it is that of a batch.
    """

    state: State
    progress: Progress | None = None
    outcome: Outcome | None = None
    gone: bool = False
    of_batch: bool = False
