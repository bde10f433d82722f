"""Sends committed calls: the first at once, others in a thread of the process."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from . import signals
from .batcher import Batcher
from .brokers.base import Broker, OutgoingMessage, SendReport
from .deferred_call import DeferredCall
from .errors import NereidAsyncError
from .messages.message_codec import MessageCodec
from .rows import TaskRows
from .throttled_log import ThrottledLog
from .tracing import OFF, Tracing

logger = logging.getLogger(__name__)

#: How often the same problem of a queue is logged.
TOLD_EVERY_S = 600.0

#: Rows are marked as sent in batches, after the request. If a mark is lost, the relay
#: sends the message for a second time, which has no effect.
_MARK_PAUSE_S = 0.5
_MARKS_A_STATEMENT = 500
#: Messages that a request sends by itself; it waits for a call per ten.
_MESSAGES_A_REQUEST = 50
#: Messages that the thread sends before they are marked: the relay must not take those
#: for unsent that were sent long ago.
_MESSAGES_A_ROUND = 100
#: How long messages of concurrent requests are collected into one call.
_SEND_PAUSE_S = 0.005


class Allowance:
    """What one request may still send by itself; used by one thread.

    :ivar messages: number of messages; none is left after a failure of the service.
    """

    def __init__(self) -> None:
        self.messages = _MESSAGES_A_REQUEST


class Sender:
    """Sends nothing: the commit of its row has sent a call. It tells that."""

    def __init__(self, database: str) -> None:
        self._database = database

    def send(
        self, calls: Sequence[DeferredCall], allowance: Allowance | None = None
    ) -> None:
        """Send committed calls. Never raises.

        :param allowance: what the request that has committed may send by itself; None
            outside of one.
        """
        self._tell_sent(calls)

    def _tell_sent(self, calls: Iterable[DeferredCall]) -> None:
        for call in calls:
            signals.emit(signals.task_sent, self._database, message=call.message)

    def flush(self) -> None:
        """Finish all outstanding work before returning. Never raises."""


class MessageSender(Sender):
    """Sends messages. Thread-safe; survives a fork.

    The thread that has committed sends the first fifty, and waits for one time-out at
    most. A thread of the process sends the others; if the process is killed before, the
    rows remain, and the relay sends them. Without rows, the thread that has committed
    sends all: what it leaves to others would be lost with the process.

    :param database: name of the database, for signals and the log.
    :param codec: encodes the pointers to rows.
    :param rows: where confirmed messages are marked as sent; None for nowhere, if calls
        have no rows and are sent as they are.
    :param tracing: tells of each sending.
    :param patience_s: how long a request goes on to send, in seconds.
    :param background: whether a request sends nothing by itself. Messages of concurrent
        requests share a call then.
    """

    def __init__(
        self,
        database: str,
        broker: Broker,
        codec: MessageCodec,
        rows: TaskRows | None,
        tracing: Tracing = OFF,
        *,
        patience_s: float = float("inf"),
        background: bool = False,
    ) -> None:
        super().__init__(database)
        self._tracing = tracing
        self._broker = broker
        self._codec = codec
        self._rows = rows
        self._patience_s = patience_s
        self._background = background
        self._log = ThrottledLog(logger, TOLD_EVERY_S)
        self._marks: Batcher[str] | None = None
        self._waiting: Batcher[DeferredCall] | None = None
        if rows is not None:
            self._marks = Batcher("sent-marks", partial(_mark, rows), _MARK_PAUSE_S)
            self._waiting = Batcher(
                "sender", self._send_waiting, _SEND_PAUSE_S, at_exit=self.flush
            )

    def send(
        self, calls: Sequence[DeferredCall], allowance: Allowance | None = None
    ) -> None:
        """Send committed calls, or queue them for the thread; see :class:`Sender`."""
        if self._waiting is None:
            self._try(calls)
            return
        left = calls
        if not self._background:
            left = self._send_allowed(calls, allowance or Allowance())
        if not left:
            return
        try:
            self._waiting.add(left)
        except RuntimeError:
            # No thread can start while Python exits.
            self._send_waiting(left)

    def _send_allowed(
        self, calls: Sequence[DeferredCall], allowance: Allowance
    ) -> Sequence[DeferredCall]:
        """Send what a request may send by itself; returns the others."""
        own, left = calls[: allowance.messages], calls[allowance.messages :]
        if not own:
            return left
        report = self._try(own, time.monotonic() + self._patience_s)
        allowance.messages -= len(own)
        if report is None or report.untried or report.of_service:
            allowance.messages = 0
        if report is None or not report.untried:
            return left
        untried = {message.id for message in report.untried}
        return [*(call for call in own if call.message.id in untried), *left]

    def _send_waiting(self, calls: Sequence[DeferredCall]) -> None:
        """Send in rounds, which are marked one by one, until the service fails."""
        for start in range(0, len(calls), _MESSAGES_A_ROUND):
            report = self._try(calls[start : start + _MESSAGES_A_ROUND])
            if report is None or report.of_service:
                return

    def _try(
        self, calls: Sequence[DeferredCall], until_s: float = float("inf")
    ) -> SendReport | None:
        """Send, and note and tell what came of it; None if that failed. Never raises.

        :param until_s: as of :meth:`.brokers.base.Broker.send`.
        """
        try:
            report = self._send(calls, until_s)
        except Exception as error:
            self._tell_failure(calls, error)
            return None
        self._tell_unsent(report)
        confirmed = set(report.confirmed)
        self._note(confirmed)
        self._tell_sent(call for call in calls if call.message.id in confirmed)
        return report

    def _send(self, calls: Sequence[DeferredCall], until_s: float) -> SendReport:
        with self._tracing.sending(calls) as span:
            messages = [self._outgoing(call) for call in calls]
            report = self._broker.send(messages, until_s)
            for _, error, _ in report.reasons():
                span.failed(error)
        return report

    def _outgoing(self, call: DeferredCall) -> OutgoingMessage:
        if self._rows is None:
            return call.outgoing(call.text)
        return call.outgoing(self._codec.encode_pointer(call.message.pointer))

    def _tell_failure(self, calls: Sequence[DeferredCall], error: Exception) -> None:
        logger.error(
            "sending %d task(s) of database %s failed, %s: %s (%s)",
            len(calls),
            self._database,
            self._what_then,
            error,
            ", ".join(call.message.id for call in calls),
            exc_info=not isinstance(error, NereidAsyncError),
        )

    def _tell_unsent(self, report: SendReport) -> None:
        for queue, error, messages in report.reasons():
            text = "queue %r of database %s: %d task(s) not sent, %s: %s"
            about = (queue, self._database, len(messages), self._what_then, error)
            if self._rows is None:
                # Without rows, only the log has their ids.
                ids = ", ".join(message.id for message in messages)
                logger.error(f"{text} (%s)", *about, ids)
            else:
                # An outage of the whole service is told once, not for each queue.
                which = None if error.of_service else queue
                self._log.warning((which, type(error)), text, *about)

    @property
    def _what_then(self) -> str:
        return "they are lost" if self._rows is None else "their rows wait"

    def _note(self, ids: set[str]) -> None:
        if self._marks is not None:
            # No thread can start while Python exits; the relay sends these again.
            with suppress(RuntimeError):
                self._marks.add(ids)

    def flush(self) -> None:
        """Send the waiting calls, and mark them, before returning. Never raises."""
        if self._waiting is not None:
            self._waiting.flush()
        if self._marks is not None:
            self._marks.flush()


def _mark(rows: TaskRows, ids: list[str]) -> None:
    try:
        for start in range(0, len(ids), _MARKS_A_STATEMENT):
            rows.mark_sent(ids[start : start + _MARKS_A_STATEMENT])
    except Exception as error:
        logger.info("%d task(s) not marked as sent: %s", len(ids), error)
