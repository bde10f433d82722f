"""The relay: sends messages that were committed but not sent.

Their process died after the commit, or the queue service was unreachable.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from ... import batch_end, signals
from ...brokers.base import OutgoingMessage, SendReport
from ...brokers.paused_queues import LOOK_PAUSE_S
from ...database import connections
from ...errors import (
    BadMessage,
    ConfigurationError,
    MessageError,
    NereidAsyncError,
    TransportError,
)
from ...messages.attributes import check as check_attributes
from ...messages.message import Message
from ...messages.outcome import Failure
from ...messages.pointer import Pointer
from ...rows import TaskRows, UnsentRow
from ...runtime import Runtime
from ...sending import TOLD_EVERY_S
from ...throttled_log import ThrottledLog
from .. import service_log
from ..intervals import USUAL, Intervals
from ..public_errors import with_sentence
from .resending import Resender

logger = logging.getLogger(__name__)

#: Younger rows are left to the process that deferred them, which is sending them.
_MIN_AGE_S = 10.0
_ROWS_A_ROUND = 100
#: How often the relay looks for lost messages.
_LOOK_PAUSE_S = 30.0
#: How long the relay sends before it does its other work.
_SEND_FOR_S = 30.0
#: A row that is still refused after a day fails, so that an administrator sees it.
_GIVE_UP_AFTER_S = 86_400.0


class Relay(threading.Thread):
    """Sends unsent rows every few seconds, in a thread of one process per worker.

    An advisory lock lets one relay per database work at a time. If two send the same
    row all the same, the second delivery has no effect.
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
        #: Paused queues that have unsent rows.
        self._paused: frozenset[str] = frozenset()
        self._log = ThrottledLog(logger, TOLD_EVERY_S)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Work in rounds until stopped."""
        while not self._stopping.is_set():
            self._guarded(self._go_round_if_locked)
            # Shorter rounds, to notice the end of a pause soon.
            pause_s = LOOK_PAUSE_S if self._paused else self._pause_s
            self._stopping.wait(min(pause_s, self._pause_s))

    def _go_round_if_locked(self) -> None:
        with connections.try_lock(self._runtime.database, "relay") as locked:
            if locked:
                self.go_round()

    def go_round(self) -> None:
        """Send, end leases, look for lost messages; an error skips one step only."""
        self._guarded(self._send_all)
        self._guarded(self._rows.end_leases)
        self._guarded(self._look_for_lost)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except NereidAsyncError as error:
            if isinstance(error, TransportError) and error.of_service:
                service_log.tell("relay: the rows wait", error)
                return
            kind = type(error).__name__
            self._log.warning(kind, "relay: %s; the rows wait", error)
        except BaseException:
            # The thread must go on: nobody else sends these rows.
            logger.exception("the relay failed, and goes on; the rows wait")

    def _send_all(self) -> None:
        """Send until no due row is left, and log per queue what could not be sent."""
        refused: dict[tuple[str, type], tuple[TransportError, int]] = {}
        more, until_s = True, time.monotonic() + _SEND_FOR_S
        while more and time.monotonic() < until_s and not self._stopping.is_set():
            report = self.send_round(_MIN_AGE_S)
            more = len(report.confirmed) + len(report.unsent) == _ROWS_A_ROUND
            for queue, error, messages in report.reasons():
                more = more and not error.of_service
                _, before = refused.get((queue, type(error)), (error, 0))
                refused[queue, type(error)] = error, before + len(messages)
        for (queue, kind), (error, number) in refused.items():
            if error.of_service:
                service_log.tell(f"{number} task(s) of queue {queue!r} wait", error)
                continue
            self._log.warning(
                (queue, kind), "queue %r: %d task(s) wait: %s", queue, number, error
            )

    def send_round(self, min_age_s: float) -> SendReport:
        """Send up to 100 rows that have been unsent for ``min_age_s`` seconds.

        Rows of paused queues wait.
        """
        horizon_s = self._runtime.broker.max_delay_s or 0
        self._paused = self._rows.paused_queues()
        read_at_s = time.monotonic()
        unsent = self._rows.unsent(_ROWS_A_ROUND, min_age_s, horizon_s, self._paused)
        report = self._send(unsent)
        self._rows.mark_sent(report.confirmed, time.monotonic() - read_at_s)
        by_id = {row.id: row for row in unsent}
        again = {by_id[id].queue for id in report.confirmed if by_id[id].refused}
        if again:
            self._rows.send_soon(sorted(again))
        self._handle_refused([(by_id[it.id], error) for it, error in report.unsent])
        return report

    def _handle_refused(
        self, refused: Iterable[tuple[UnsentRow, TransportError]]
    ) -> None:
        """Delay rows that the service has refused; fail those refused for a day.

        If the service did not answer, the rows are not delayed.
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
            message = self._call_in(row)
        failure = Failure(
            type(error).__name__,
            f"queue {row.queue!r} does not take the task",
            # The traceback is for administrators: this names queues and accounts.
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
            batch_end.look(self._runtime, message.batch)

    def _look_for_lost(self) -> None:
        """Look for lost messages, but not each round: it costs a call per queue."""
        if time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + _LOOK_PAUSE_S
            self.resender.look(self._runtime.settings.resend_after)

    def _send(self, rows: Sequence[UnsentRow]) -> SendReport:
        report = self._runtime.broker.send([self._outgoing(row) for row in rows])
        if rows:
            logger.info(
                "relay: %d of %d task(s) sent", len(report.confirmed), len(rows)
            )
            confirmed = set(report.confirmed)
            signals.emit(
                signals.tasks_relayed,
                self._runtime.database,
                tasks=[(it.name, it.queue) for it in rows if it.id in confirmed],
            )
        return report

    def _outgoing(self, row: UnsentRow) -> OutgoingMessage:
        """A pointer to the row, whatever is in it: its claim brings that to light."""
        runtime, attributes = self._runtime, None
        names = runtime.database, runtime.identity.value
        pointer = Pointer(row.id, *names, row.queue, row.name)
        try:
            message = self._call_in(row)
            pointer = replace(
                pointer,
                max_attempts=message.max_attempts,
                keep_result=message.keep_result,
            )
            attributes = message.sqs_attributes
            if attributes is not None:
                # Earlier releases did not check them at the deferral.
                check_attributes(attributes)
        except (MessageError, ConfigurationError) as error:
            # Sent all the same: the worker fails what it cannot decode.
            logger.error("relay: row of task %s: %s", row.id, error)
            attributes = None
        text = runtime.codec.encode_pointer(pointer)
        return OutgoingMessage(
            row.id, row.queue, text, row.due_in_s, attributes, row.group, again=True
        )

    def _call_in(self, row: UnsentRow) -> Message:
        """The call of a row.

        :raises MessageError: it cannot be read here, or is not there any more.
        """
        text = row.text if row.text is not None else self._rows.text_of(row.id)
        if text is None:
            raise BadMessage("it is gone")
        return self._runtime.codec.decode(text)


def _is_hopeless(row: UnsentRow, error: TransportError) -> bool:
    """Whether the service has refused a row, not just failed to answer, for a day."""
    return row.refused and row.late_s > _GIVE_UP_AFTER_S and not error.passes
