"""Finds tasks whose messages are lost, and sends them again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ...brokers.base import SendReport
from ...brokers.paused_queues import PausedQueues
from ...errors import AccessDenied, QueueMissing, TransportError
from ...rows import TaskRows, UnsentRow
from ...runtime import Runtime
from ...sending import TOLD_EVERY_S
from ...throttled_log import ThrottledLog

logger = logging.getLogger(__name__)

#: How long after the end of its row's lease a message may still be hidden.
_LEASE_OVER_S = 15.0
_ROWS_A_CALL = 100
#: Further rows wait for the next look, when these count in the queue's depth.
_ROWS_A_QUEUE = 1_000


class Resender:
    """Compares the depths of queues with the number of rows that were sent.

    A message that still waits in its queue is not lost, however old it is. So only as
    many rows are sent again as messages are missing from the queue, the oldest first,
    and none twice within an interval. (A message sent in vain has no effect, but costs
    a call.)

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
        self._paused = PausedQueues(rows)
        self._send = send
        self._log = ThrottledLog(logger, TOLD_EVERY_S)

    def look(self, interval_s: float) -> int:
        """Check each queue once, and return the number of tasks sent again.

        Messages of paused queues wait in SQS, and are not lost.

        :param interval_s: how long a message may wait before it may count as lost.
        :raises TransportError: queue service or database are unreachable.
        """
        again = 0
        queues = self._rows.forgotten_queues(interval_s, _LEASE_OVER_S)
        for queue in self._paused.without(queues):
            try:
                again += self._look_at(queue, interval_s)
            except TransportError as error:
                if error.of_service:
                    raise
                kind = queue, type(error)
                self._log.warning(kind, "queue %r is not checked: %s", queue, error)
        return again

    def _look_at(self, queue: str, interval_s: float) -> int:
        lease_over_s = _LEASE_OVER_S
        try:
            # The depth first: a message sent in between must not count as lost.
            waiting = self._broker.backlog(queue)
            missing = min(self._rows.awaited(queue) - waiting, _ROWS_A_QUEUE)
        except AccessDenied as error:
            if error.of_service:
                raise
            self._log.warning(
                ("depth", queue),
                "queue %r: its depth cannot be read, so what was sent %.0f s ago and "
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
