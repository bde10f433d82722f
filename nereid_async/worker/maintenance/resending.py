"""Finds messages that are lost, and lets their tasks be sent again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ...brokers.base import SendReport
from ...errors import AccessDenied, QueueMissing, TransportError
from ...rows import TaskRows, UnsentRow
from ...runtime import Runtime
from ...sending import TOLD_EVERY_S
from ...throttled_log import ThrottledLog

logger = logging.getLogger(__name__)

#: More than the row's lease a message does not stay hidden, by much.
_LEASE_OVER_S = 15.0
_ROWS_A_CALL = 100
#: More are seen to at the next look, when the queue's depth tells of these.
_ROWS_A_QUEUE = 1_000


class Resender:
    """Compares what queues hold with what rows say was sent.

    What still waits in its queue is not lost, however long it has been waiting. So no
    more is sent again than is missing there, the oldest first, and nothing twice
    within an interval. (A message sent in vain has no effect, but costs a call.)

    :param send: sends the messages of rows.
    """

    def __init__(
        self,
        runtime: Runtime,
        rows: TaskRows,
        send: Callable[[Sequence[UnsentRow]], SendReport],
    ) -> None:
        self._broker = runtime.broker
        self._rows = rows
        self._send = send
        self._log = ThrottledLog(logger, TOLD_EVERY_S)

    def look(self, interval_s: float) -> int:
        """Look once at each queue; returns how many tasks are sent again.

        :param interval_s: for how long a message may wait before it is looked for.
        :raises TransportError: the service, or the database, does not answer.
        """
        again = 0
        for queue in self._rows.forgotten_queues(interval_s, _LEASE_OVER_S):
            try:
                again += self._look_at(queue, interval_s)
            except TransportError as error:
                if error.of_service:
                    raise
                kind = queue, type(error)
                self._log.warning(kind, "queue %r is not looked at: %s", queue, error)
        return again

    def _look_at(self, queue: str, interval_s: float) -> int:
        lease_over_s = _LEASE_OVER_S
        try:
            # The depth first: what is sent in between is not taken for lost.
            waiting = self._broker.backlog(queue)
            missing = min(self._rows.awaited(queue) - waiting, _ROWS_A_QUEUE)
        except AccessDenied as error:
            if error.of_service:
                raise
            self._log.warning(
                ("depth", queue),
                "queue %r: its depth cannot be asked, so what was sent %.0f s ago and "
                "has not run is sent again, whether it waits there or not: %s",
                queue,
                interval_s,
                error,
            )
            missing, lease_over_s = _ROWS_A_QUEUE, interval_s
        if missing <= 0:
            return 0
        again = self._rows.reopen(queue, missing, lease_over_s)
        again += self._resend(queue, missing - again, interval_s)
        if again:
            self._log.warning(
                ("lost", queue),
                "queue %r: %d task(s) are sent again: their messages are not there",
                queue,
                again,
            )
        return again

    def _resend(self, queue: str, number: int, interval_s: float) -> int:
        sent = 0
        while number > 0:
            rows = self._rows.forgotten(queue, min(number, _ROWS_A_CALL), interval_s)
            if not rows:
                break
            number -= len(rows)
            report = self._send(rows)
            sent += len(report.confirmed)
            gone = [it.id for it, e in report.unsent if isinstance(e, QueueMissing)]
            self._rows.mark_unsent(gone)
            refused = [it.id for it, e in report.unsent if not e.of_service]
            self._rows.mark_resent([*report.confirmed, *refused], interval_s)
            if any(error.of_service for _, error in report.unsent):
                break
        return sent
