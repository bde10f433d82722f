"""Sends committed calls: at once, or in a thread of the process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
#: How long messages of concurrent requests are collected into one call.
_SEND_PAUSE_S = 0.005


class Sender:
    """Sends in the thread that has committed. Thread-safe; survives a fork.

    :param database: name of the database, for signals and the log.
    :param codec: encodes the pointers to rows.
    :param rows: where confirmed messages are marked as sent; None for nowhere, if calls
        have no rows and are sent as they are.
    :param tracing: tells of each sending.
    """

    def __init__(
        self,
        database: str,
        broker: Broker,
        codec: MessageCodec,
        rows: TaskRows | None,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self._database = database
        self._broker = broker
        self._codec = codec
        self._rows = rows
        self._log = ThrottledLog(logger, TOLD_EVERY_S)
        self._marks: Batcher[str] | None = None
        if rows is not None:
            self._marks = Batcher("sent-marks", partial(_mark, rows), _MARK_PAUSE_S)

    def send(self, calls: Sequence[DeferredCall]) -> None:
        """Send committed calls. Never raises."""
        try:
            report = self._send(calls)
        except Exception as error:
            self._tell_failure(calls, error)
            return
        self._tell_unsent(report)
        confirmed = set(report.confirmed)
        self._note(confirmed)
        for call in calls:
            if call.message.id in confirmed:
                signals.emit(signals.task_sent, self._database, message=call.message)

    def _send(self, calls: Sequence[DeferredCall]) -> SendReport:
        with self._tracing.sending(calls) as span:
            report = self._broker.send([self._outgoing(call) for call in calls])
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
        """Finish all outstanding work before returning. Never raises."""
        if self._marks is not None:
            self._marks.flush()


class BackgroundSender(Sender):
    """Sends in a thread of the process, a few milliseconds after the commit.

    Messages of concurrent requests share a call, and no request waits for one. If the
    process is killed before, the rows remain, and the relay sends them.
    """

    def __init__(
        self,
        database: str,
        broker: Broker,
        codec: MessageCodec,
        rows: TaskRows | None,
        tracing: Tracing = OFF,
    ) -> None:
        super().__init__(database, broker, codec, rows, tracing)
        self._waiting: Batcher[DeferredCall] = Batcher(
            "sender", super().send, _SEND_PAUSE_S, at_exit=self.flush
        )

    def send(self, calls: Sequence[DeferredCall]) -> None:
        """Queue committed calls for the thread. Never raises."""
        try:
            self._waiting.add(calls)
        except RuntimeError:
            # No thread can start while Python exits.
            super().send(calls)

    def flush(self) -> None:
        """Send the waiting calls, and mark them, before returning. Never raises."""
        self._waiting.flush()
        super().flush()


def _mark(rows: TaskRows, ids: list[str]) -> None:
    try:
        for start in range(0, len(ids), _MARKS_A_STATEMENT):
            rows.mark_sent(ids[start : start + _MARKS_A_STATEMENT])
    except Exception as error:
        logger.info("%d task(s) not marked as sent: %s", len(ids), error)
