"""Every error the package raises, in one family, and the control flow beside it.

An error names the thing at fault and the way out in its message, and carries the
facts as attributes. :class:`Retry` and :class:`TaskCancelled` are control flow, not
errors: they stand outside the family so that ``except NereidAsyncError`` in a task does
not swallow them.
"""

from __future__ import annotations

import click

from .limits import DELAY_MAX_S


class NereidAsyncError(Exception):
    """Root of the family."""


# -- configuration -------------------------------------------------------------


class ConfigurationError(NereidAsyncError, click.ClickException):
    """A setting, an installation or a database is not as it has to be.

    ``flask --app …`` loads the app before any command of ours begins; click's own
    class lets it end with a line there, without a traceback.
    """


# -- asking for a call ---------------------------------------------------------


class DeferralError(NereidAsyncError):
    """The call cannot be put off; nothing was sent and nothing written."""


class NoTransaction(DeferralError):
    """``defer`` was called without an open Tryton transaction."""


class DelayTooLong(DeferralError):
    """The broker cannot hold a message for that long.

    :ivar delay_s: the delay asked for, in seconds.
    :ivar limit_s: the longest possible delay, in seconds.
    """

    def __init__(self, message: str, *, delay_s: float, limit_s: float) -> None:
        super().__init__(message)
        self.delay_s = delay_s
        self.limit_s = limit_s


# -- what travels --------------------------------------------------------------


class MessageError(NereidAsyncError):
    """A message or a value cannot be written or read."""


class SerializationError(MessageError):
    """A value cannot travel, or what came cannot be read back.

    :ivar path: where the value stands, such as ``order.lines[2]``.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class MessageTooLarge(MessageError):
    """A message or a result is larger than the queue takes.

    :ivar size_bytes: its encoded size.
    :ivar limit_bytes: the limit it exceeds.
    """

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class BadMessage(MessageError):
    """What arrived is no message of ours: undecodable, or wrongly signed."""


class WrongSignature(BadMessage):
    """Not signed with a key known here: by somebody else, or with a newer key."""


class MisplacedMessage(BadMessage):
    """Rightly signed, and received from another queue than its own."""


class UnknownFormat(MessageError):
    """The message was written by a newer version of the package."""


class UnknownKey(UnknownFormat):
    """Encrypted with a key that is not known here; another process may have it."""


class ForeignMessage(MessageError):
    """The message is another database's; two share a queue that should not."""


class UnknownTask(MessageError):
    """No such method or function here; a newer release may know it."""


class UnknownArguments(MessageError):
    """The task takes other arguments here; a newer release may take these."""


class WebAppNeeded(MessageError):
    """The task was deferred by a web request, and this worker has no web app."""


# -- brokers -------------------------------------------------------------------


class TransportError(NereidAsyncError):
    """The queue service did not do what it was asked."""

    #: Whether it is about the service as a whole, not about one queue or message.
    of_service = False
    #: Whether the same may be done later: nothing was said of what was asked for.
    passes = False


class TransportUnavailable(TransportError):
    """A passing failure: network, throttling, a service error. Try again."""

    of_service = passes = True


class DatabaseUnavailable(TransportUnavailable):
    """The database does not answer, or not as it does otherwise: it fails over,
    restarts, is read-only, or out of connections or disk. Try again."""


class QueueUnavailable(TransportUnavailable):
    """A passing failure of one queue, such as one that was deleted just now."""

    of_service = False


class AccessDenied(TransportError):
    """The credentials do not allow the call."""


class CredentialsRefused(AccessDenied):
    """There are no credentials, or the service does not know them."""

    of_service = passes = True


class QueueMissing(TransportError):
    """The queue does not exist."""


class RequestRefused(TransportError):
    """The service does not take the request as it is, such as a message too large."""


class LeaseLost(TransportError):
    """Somebody else may hold the task by now; its run must not be finished."""


# -- results -------------------------------------------------------------------


class ResultError(NereidAsyncError):
    """There is no result to hand out."""


class ResultNotSent(ResultError):
    """The transaction that deferred the task has not committed yet."""


class ResultMissing(ResultError):
    """No such task, or it was rolled back, or its row is gone."""


class ResultExpired(ResultError):
    """The result was there; its time to live is over, or it was acknowledged."""


class ResultTimeout(ResultError):
    """The task did not finish in the time given."""


class TaskFailed(ResultError):
    """The task failed for good.

    :ivar type: name of the exception's class, such as ``"ValueError"``.
    :ivar remote_traceback: the worker's traceback as text, empty where the reader
        may not see it.
    :ivar error_id: the number that a visitor is told, and that the log has.
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

    Raised in the task's own thread, wherever its code stands.
    """


# -- control flow --------------------------------------------------------------


class ControlFlow(Exception):
    """Raised by a task to steer its worker; no error."""


class Retry(ControlFlow):
    """Roll back and run the task again later, as a new attempt.

    :param delay: seconds until then, up to ten years; None for the worker's own
        growing delay. Without an outbox, SQS holds a message for 12 hours at most.
    :raises ValueError: the delay is outside its range.
    """

    def __init__(self, delay: float | None = None) -> None:
        if delay is not None and not 0 <= delay <= DELAY_MAX_S:
            raise ValueError(f"Retry(delay={delay!r}): 0 to {DELAY_MAX_S} seconds")
        super().__init__(
            "retry" if delay is None else f"retry in {delay:g} s",
        )
        self.delay_s = delay


class TaskCancelled(ControlFlow):
    """The task was cancelled: its run is rolled back, and not tried again.

    Raised in a run that was asked to stop; a task may also raise it by itself.
    """


class ResultCancelled(TaskCancelled, ResultError):
    """A result was asked for whose task was cancelled.

    In another task that waits for it, it is an error like any other.
    """
