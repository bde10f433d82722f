"""Hands committed calls to the broker: at once, or by a thread of the process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from . import signals
from .brokers.base import Broker
from .calls import Deferred
from .collector import Collector
from .errors import TransportError
from .rows import TaskRows

logger = logging.getLogger(__name__)

#: Marks are written in batches, off the request's path. One that is lost costs a
#: message sent twice: the relay sends what seems not sent, to no effect.
_MARK_PAUSE_S = 0.5
_MARKS_A_STATEMENT = 500
#: For how long messages of concurrent requests are collected into one call.
_SEND_PAUSE_S = 0.005


class Sender:
    """Sends in the thread that has committed. Thread-safe; survives a fork.

    :param rows: where it is noted what the broker has confirmed; None if nowhere.
    """

    def __init__(self, database: str, broker: Broker, rows: TaskRows | None) -> None:
        self._database = database
        self._broker = broker
        self._rows = rows
        self._marks: Collector[str] | None = None
        if rows is not None:
            self._marks = Collector("sent-marks", self._mark, _MARK_PAUSE_S)

    def send(self, calls: Sequence[Deferred]) -> None:
        """Send committed calls. Never raises."""
        try:
            confirmed = set(self._broker.send([call.parcel for call in calls]))
        except Exception as error:
            # The rows are there: the relay sends them. Without rows this is a loss,
            # and the log is all that is left of it.
            logger.error(
                "sending %d task(s) of database %s failed, %s: %s (%s)",
                len(calls),
                self._database,
                "they are lost" if self._rows is None else "their rows wait",
                error,
                ", ".join(call.message.id for call in calls),
                exc_info=not isinstance(error, TransportError),
            )
            return
        self._note(confirmed)
        for call in calls:
            if call.message.id in confirmed:
                signals.emit(signals.task_sent, self._database, message=call.message)

    def _note(self, ids: set[str]) -> None:
        if self._marks is not None:
            # No thread can be started when Python ends: the relay sees to the rows.
            with suppress(RuntimeError):
                self._marks.add(ids)

    def _mark(self, ids: list[str]) -> None:
        assert self._rows is not None
        try:
            for start in range(0, len(ids), _MARKS_A_STATEMENT):
                self._rows.mark_sent(ids[start : start + _MARKS_A_STATEMENT])
        except Exception as error:
            logger.info("%d task(s) not marked as sent: %s", len(ids), error)

    def flush(self) -> None:
        """See to it now that nothing is left to be done. Never raises."""
        if self._marks is not None:
            self._marks.flush()


class BackgroundSender(Sender):
    """Sends in a thread of the process, a few milliseconds after the commit.

    Messages of concurrent requests share a call, and no request waits for one. What
    is not sent when a process is killed is in its row.
    """

    def __init__(self, database: str, broker: Broker, rows: TaskRows | None) -> None:
        super().__init__(database, broker, rows)
        self._waiting: Collector[Deferred] = Collector(
            "sender", super().send, _SEND_PAUSE_S, at_exit=self.flush
        )

    def send(self, calls: Sequence[Deferred]) -> None:
        """Let committed calls be sent. Never raises."""
        try:
            self._waiting.add(calls)
        except RuntimeError:
            # No thread can be started when Python ends.
            super().send(calls)

    def flush(self) -> None:
        """Send now what waits."""
        self._waiting.flush()
        super().flush()
