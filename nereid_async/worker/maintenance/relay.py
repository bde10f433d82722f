"""Sends what was committed but not sent: its process died, or the service was down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from ... import signals
from ...brokers.base import OutgoingMessage, SendReport
from ...database import connections
from ...errors import ConfigurationError, MessageError, NereidAsyncError, TransportError
from ...messages.attributes import check as check_attributes
from ...messages.outcome import Failure
from ...rows import TaskRows, UnsentRow
from ...runtime import Runtime
from ...sending import TOLD_EVERY_S
from ...throttled_log import ThrottledLog
from ..intervals import USUAL, Intervals
from ..public_errors import with_sentence
from .resending import Resender

logger = logging.getLogger(__name__)

#: Rows younger than this are being sent by their own process.
_PATIENCE_S = 10.0
_ROWS_A_ROUND = 100
#: How often it looks for messages that are lost.
_LOOK_PAUSE_S = 30.0
#: For how long it sends before it sees to the rest of its work.
_SEND_FOR_S = 30.0
#: What is still refused then fails, so that an administrator sees it.
_GIVE_UP_AFTER_S = 86_400.0


class Relay(threading.Thread):
    """Looks for unsent rows every few seconds, in one thread a process.

    Of all relays of a database one looks at a time. Should two send the same row
    after all, the second delivery has no effect.
    """

    def __init__(
        self, runtime: Runtime, rows: TaskRows, intervals: Intervals = USUAL
    ) -> None:
        super().__init__(name="relay", daemon=True)
        self._pause_s = intervals.relay_pause_s
        self._runtime = runtime
        self._rows = rows
        self.resender = Resender(runtime, rows, self._send)
        self._look_at_s = 0.0
        self._log = ThrottledLog(logger, TOLD_EVERY_S)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Go round until stopped."""
        while not self._stopping.is_set():
            self._guarded(self._go_round_if_locked)
            self._stopping.wait(self._pause_s)

    def _go_round_if_locked(self) -> None:
        with connections.try_lock(self._runtime.database, "relay") as locked:
            if locked:
                self.go_round()

    def go_round(self) -> None:
        """Do what there is to do now; a step that fails does not hold up the others."""
        self._guarded(self._send_all)
        self._guarded(self._rows.end_leases)
        self._guarded(self._look_for_lost)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except NereidAsyncError as error:
            kind = type(error).__name__
            self._log.warning(kind, "relay: %s; the rows wait", error)
        except BaseException:
            # Without a relay nothing that was left over is ever sent.
            logger.exception("the relay failed, and goes on; the rows wait")

    def _send_all(self) -> None:
        """Send until nothing is left that could be sent now, and tell what was not."""
        refused: dict[tuple[str, type], tuple[TransportError, int]] = {}
        more, until_s = True, time.monotonic() + _SEND_FOR_S
        while more and time.monotonic() < until_s and not self._stopping.is_set():
            report = self.send_round(_PATIENCE_S)
            more = len(report.confirmed) + len(report.unsent) == _ROWS_A_ROUND
            for queue, error, messages in report.reasons():
                more = more and not error.of_service
                _, before = refused.get((queue, type(error)), (error, 0))
                refused[queue, type(error)] = error, before + len(messages)
        for (queue, kind), (error, number) in refused.items():
            self._log.warning(
                (queue, kind), "queue %r: %d task(s) wait: %s", queue, number, error
            )

    def send_round(self, patience_s: float) -> SendReport:
        """Send rows that have been unsent for that long, some at a time."""
        horizon_s = self._runtime.broker.max_delay_s or 0
        unsent = self._rows.unsent(_ROWS_A_ROUND, patience_s, horizon_s)
        report = self._send(unsent)
        self._rows.mark_sent(report.confirmed)
        by_id = {row.id: row for row in unsent}
        again = {by_id[id].queue for id in report.confirmed if by_id[id].refused}
        if again:
            self._rows.send_soon(sorted(again))
        self._see_to_refused([(by_id[it.id], error) for it, error in report.unsent])
        return report

    def _see_to_refused(
        self, refused: Iterable[tuple[UnsentRow, TransportError]]
    ) -> None:
        """Set rows back; those that were long enough fail.

        If the service did not answer, nothing was said of the rows: they go as soon
        as it does.
        """
        set_back: list[str] = []
        for row, error in refused:
            if _is_hopeless(row, error):
                self._fail(row, error)
            elif not error.of_service:
                set_back.append(row.id)
        self._rows.set_back(set_back)

    def _fail(self, row: UnsentRow, error: TransportError) -> None:
        message = None
        with suppress(MessageError):
            message = self._runtime.codec.decode(row.text)
        failure = Failure(
            type(error).__name__,
            f"queue {row.queue!r} does not take the task",
            # For administrators: it names queues, accounts and rights.
            str(error),
        )
        failure = with_sentence(failure, message, self._runtime)
        ttl_s = self._runtime.settings.result_ttl
        if not self._rows.fail_unsent([row.id], failure, ttl_s):
            return
        text = "task %s failed, it was never sent, error %s: %s"
        logger.error(text, row.id, failure.id, error)
        if message is not None:
            signals.emit(
                signals.task_failed,
                self._runtime.database,
                message=message,
                error=error,
            )

    def _look_for_lost(self) -> None:
        """Find lost messages, not at every round: each look at a queue is a call."""
        if time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + _LOOK_PAUSE_S
            self.resender.look(self._runtime.settings.resend_after)

    def _send(self, rows: Sequence[UnsentRow]) -> SendReport:
        report = self._runtime.broker.send([self._outgoing(row) for row in rows])
        if rows:
            logger.info(
                "relay: %d of %d task(s) sent", len(report.confirmed), len(rows)
            )
        return report

    def _outgoing(self, row: UnsentRow) -> OutgoingMessage:
        try:
            attributes = self._runtime.codec.decode(row.text).sqs_attributes
            if attributes is not None:
                # An earlier release did not look at them when they were given.
                check_attributes(attributes)
        except (MessageError, ConfigurationError) as error:
            # Sent as it is: the worker puts aside what cannot be read.
            logger.error("relay: row of task %s: %s", row.id, error)
            attributes = None
        return OutgoingMessage(row.id, row.queue, row.text, row.due_in_s, attributes)


def _is_hopeless(row: UnsentRow, error: TransportError) -> bool:
    """Whether a row has been refused, not just unanswered, for too long."""
    return row.refused and row.late_s > _GIVE_UP_AFTER_S and not error.passes
