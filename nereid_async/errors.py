"""The errors that the package raises, in one family, and exceptions for control flow.

The message of an error names its cause and a remedy; its attributes have the facts.
:class:`Retry` and :class:`TaskCancelled` are control flow, not errors: they are outside
the family, so that ``except NereidAsyncError`` in a task does not catch them.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from .limits import DELAY_MAX_S

if TYPE_CHECKING:
    from collections.abc import Mapping


class NereidAsyncError(Exception):
    """Base of all errors of the package."""


# -- configuration -------------------------------------------------------------


class ConfigurationError(NereidAsyncError, click.ClickException):
    """A setting, the installation or the database has to be corrected.

    It is a click.ClickException as well: ``flask --app …`` loads the app before any
    command of ours begins, and prints a line for this class, not a traceback.
    """


# -- deferring -----------------------------------------------------------------


class DeferralError(NereidAsyncError):
    """The call cannot be deferred; nothing was sent or written."""


class NoTransaction(DeferralError):
    """``defer`` was called without an open Tryton transaction."""


class DelayTooLong(DeferralError):
    """The broker cannot hold a message for that long.

    :ivar delay_s: the requested delay, in seconds.
    :ivar limit_s: the longest possible delay, in seconds.
    """

    def __init__(self, message: str, *, delay_s: float, limit_s: float) -> None:
        super().__init__(message)
        self.delay_s = delay_s
        self.limit_s = limit_s


# -- messages ------------------------------------------------------------------


class MessageError(NereidAsyncError):
    """A message or a value cannot be encoded or decoded."""


class SerializationError(MessageError):
    """A value cannot be serialised, or cannot be read back.

    :ivar path: place of the value, such as ``order.lines[2]``.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class MessageTooLarge(MessageError):
    """A call or a result is larger than the setting ``max_message_bytes``.

    :ivar size_bytes: its encoded size.
    :ivar limit_bytes: the limit it exceeds.
    """

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class BadMessage(MessageError):
    """What was received is no message of ours: undecodable, or wrongly signed."""


class WrongSignature(BadMessage):
    """The message is not signed with a key known here: forged, or with a newer key."""


class MisplacedMessage(BadMessage):
    """The message is rightly signed, but came by another queue than its own."""


class UnknownFormat(MessageError):
    """The message was written by a newer version of the package."""


class UnknownKey(UnknownFormat):
    """The message is encrypted with a key unknown here; another process may have it."""


class ForeignMessage(MessageError):
    """The message is of another database, which must not share this queue."""


class UnknownTask(MessageError):
    """The task does not exist here; a newer release may have it."""


class UnknownArguments(MessageError):
    """The task takes other arguments here; a newer release may take these."""


class WebAppNeeded(MessageError):
    """The task was deferred by a web request, and this worker has no web app."""


# -- brokers -------------------------------------------------------------------


class TransportError(NereidAsyncError):
    """A call of the queue service, or of the database, has failed."""

    #: Whether the whole service has failed, not one queue or message.
    of_service = False
    #: Whether the same call may succeed later: the service has not refused it.
    passes = False


class TransportUnavailable(TransportError):
    """A temporary failure: network, throttling, a service error. Try again."""

    of_service = passes = True


class DatabaseUnavailable(TransportUnavailable, click.ClickException):
    """A temporary failure of the database. Try again.

    It fails over, restarts, is read-only, or has no more connections or disk. As a
    ConfigurationError it is a line, not a traceback, when an app is loaded.
    """


class QueueUnavailable(TransportUnavailable):
    """A temporary failure of one queue, such as one that was deleted just now."""

    of_service = False


class AccessDenied(TransportError):
    """The credentials do not allow the call."""


class CredentialsRefused(AccessDenied):
    """There are no credentials, or the service does not know them."""

    of_service = passes = True


class QueueMissing(TransportError):
    """The queue does not exist."""


class RequestRefused(TransportError):
    """The service refuses the request for its content, such as a message too large."""


class LeaseLost(TransportError):
    """Another worker may have the task by now; this run must not finish it."""


# -- results -------------------------------------------------------------------


class ResultError(NereidAsyncError):
    """There is no result to return."""


class ResultNotSent(ResultError):
    """The transaction that deferred the task has not committed yet."""


class ResultMissing(ResultError):
    """The task does not exist, was rolled back, or its row has expired."""


class ResultExpired(ResultError):
    """The result is not kept any more: it has expired, or was acknowledged."""


class ResultTimeout(ResultError):
    """The task did not finish within the timeout."""


class TaskFailed(ResultError):
    """The task failed for good.

    :ivar type: name of the exception's class, such as ``"ValueError"``.
    :ivar message: text of the exception.
    :ivar remote_traceback: the worker's traceback as text; empty if there is none.
    :ivar error_id: id of the failure in the worker's log and in answers to browsers.
    """

    def __init__(
        self, type: str, message: str, remote_traceback: str = "", error_id: str = ""
    ) -> None:
        text = f"{type}: {message}"
        if remote_traceback:
            text += f"\n\n{remote_traceback}"
        super().__init__(text)
        self.type = type
        self.message = message
        self.remote_traceback = remote_traceback
        self.error_id = error_id


# -- in a task's code ----------------------------------------------------------


class TimeLimitExceeded(NereidAsyncError):
    """An attempt took longer than its ``time_limit``.

    Raised in the task's own thread, at any point of its Python code.
    """


# -- mail ----------------------------------------------------------------------


class MailError(NereidAsyncError):
    """A mail was not delivered."""


class MailServerUnavailable(MailError):
    """The mail server does not answer, or not as it should. Tried again."""


class MailRefused(MailError):
    """The mail server refuses the mail, for these recipients.

    :ivar refused: what it has said, by address.
    """

    def __init__(self, refused: Mapping[str, str]) -> None:
        addresses: dict[str, list[str]] = {}
        for address, reply in refused.items():
            addresses.setdefault(reply, []).append(address)
        super().__init__(
            "; ".join(f"{', '.join(them)}: {it}" for it, them in addresses.items())
        )
        self.refused = dict(refused)


# -- control flow --------------------------------------------------------------


class ControlFlow(Exception):
    """Raised by a task to tell its worker what to do; not an error."""


class Retry(ControlFlow):
    """Roll back and run the task again later, as a new attempt or as none.

    Raised ``from`` an error, that error is what logs and rows tell.

    :param delay: seconds until then, up to ten years; None for a delay that grows with
        each attempt. Without an outbox, SQS holds a message for 12 hours at most.
    :param at: when, in place of a delay; without a time zone it is in UTC, as
        Tryton's are. What is past is at once.
    :param counts: whether it uses up an attempt of ``max_attempts``. A task that never
        does comes again for ever. Without an outbox each receive by SQS counts.
    :raises ValueError: the delay is outside its range, or there is a date besides.
    :raises TypeError: the date is no datetime.
    """

    def __init__(
        self,
        delay: float | None = None,
        *,
        at: dt.datetime | None = None,
        counts: bool = True,
    ) -> None:
        if delay is not None and not 0 <= delay <= DELAY_MAX_S:
            raise ValueError(f"Retry(delay={delay!r}): 0 to {DELAY_MAX_S} seconds")
        if delay is not None and at is not None:
            raise ValueError("Retry(delay=…, at=…): one of them")
        if at is not None and not isinstance(at, dt.datetime):
            raise TypeError(f"Retry(at={at!r}): a datetime")
        self._delay_s = delay
        self._at = at if at is None or at.tzinfo else at.replace(tzinfo=dt.timezone.utc)
        self.counts = counts
        delay_s = self.delay_s
        if delay_s is not None and delay_s > DELAY_MAX_S:
            raise ValueError(f"Retry(at={at}): ten years ahead at most")
        if at is not None:
            super().__init__(f"retry at {at:%Y-%m-%d %H:%M:%S %Z}".rstrip())
        else:
            super().__init__("retry" if delay is None else f"retry in {delay:g} s")

    @property
    def delay_s(self) -> float | None:
        """Seconds from now; None for the worker's own growing delay."""
        if self._at is None:
            return self._delay_s
        left = self._at - dt.datetime.now(dt.timezone.utc)
        return max(0.0, left.total_seconds())


class TaskCancelled(ControlFlow):
    """The task was cancelled: its run is rolled back and not repeated.

    Raised in a run that is to be cancelled; a task may also raise it itself.
    """


class ResultCancelled(TaskCancelled, ResultError):
    """The task of the requested result was cancelled.

    In another task that waits for the result it is an ordinary error.
    """
