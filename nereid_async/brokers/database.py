"""The broker `database`: the rows are the messages, and workers claim them directly."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from typing import Any

from trytond import backend

from ..database import connection_pool
from ..database.driver import driver
from ..database.errors import translated
from ..errors import DatabaseUnavailable
from ..queue_selection import ALL_QUEUES, is_ordered, selected
from ..rows import CHANNEL, Claim, Starts, TaskRows
from ..throttled_log import ThrottledLog
from ..wakeup import Wakeup
from .base import Delivery, OutgoingMessage, SendReport
from .paused_queues import LOOK_PAUSE_S, PausedQueues

_log = ThrottledLog(logging.getLogger(__name__))

#: How often a SQLite file is read; PostgreSQL notifies.
_POLL_PAUSE_S = 0.2
#: Shortest wait: a row that is due now may be locked by another worker's claim.
_SHORTEST_PAUSE_S = 0.02
#: How often to look for tasks whose lease is over, or that were sent to SQS.
_EXPIRED_PAUSE_S = 5.0
#: Rows sent to SQS that are reset at a time, at most.
_ROWS_TAKEN_BACK = 10_000


class DatabaseBroker:
    """Sends nothing: rows are sent by the commit that writes them.

    :param lease_s: length of the lease of a claim, in seconds.
    :param web: whether its consumers claim tasks that need the web app.
    """

    max_delay_s: float | None = None
    rows_are_messages = True

    def __init__(self, rows: TaskRows, lease_s: float, web: bool) -> None:
        self._rows = rows
        self._lease_s = lease_s
        self._web = web

    def check_queue(self, queue: str) -> None:
        """Accept any name: a queue is only a column."""

    def send(
        self, messages: Sequence[OutgoingMessage], until_s: float = float("inf")
    ) -> SendReport:
        """Do nothing, and confirm all; see :class:`.base.Broker`."""
        return SendReport([message.id for message in messages])

    def dead_letters(self) -> None:
        """Return None: the failed row is the dead letter."""

    def backlog(self, queue: str) -> int:
        """Return 0: there are no messages besides rows."""
        return 0

    def consumer(
        self,
        queues: Sequence[str],
        excluded: Collection[str] = (),
        starts: Starts | None = None,
    ) -> DatabaseConsumer:
        """Make a consumer; see :class:`.base.Broker`."""
        return DatabaseConsumer(
            DatabaseReceiver(
                self._rows, queues, self._lease_s, self._web, excluded, starts
            )
        )

    def existing(self, queues: Sequence[str], excluded: Collection[str]) -> list[str]:
        """Those with pending rows; see :class:`.base.Broker`."""
        return existing_queues(self._rows, queues, excluded)

    def prepare(self, queues: Sequence[str]) -> None:
        """Do nothing; see :class:`.base.Broker`."""

    def warnings(self, queues: Sequence[str]) -> list[str]:
        """Return nothing: a queue is only a column."""
        return []


def existing_queues(
    rows: TaskRows, queues: Sequence[str], excluded: Collection[str]
) -> list[str]:
    """Short names of queues; where ``*`` is one of them, those with pending rows."""
    if ALL_QUEUES not in queues:
        return list(queues)
    found = rows.pending_queues()
    return selected(queues, [it for it in found if it not in excluded])


class DatabaseReceiver:
    """Claims due rows of all its queues at once.

    :param queues: short names, or ``*`` for all but the excluded ones.
    :param web: whether to claim tasks that need the web app, too.
    :param starts: lets claims count the attempt at once; None for none.
    """

    def __init__(
        self,
        rows: TaskRows,
        queues: Sequence[str],
        lease_s: float,
        web: bool,
        excluded: Collection[str] = (),
        starts: Starts | None = None,
    ) -> None:
        self._starts = starts
        self.name = ", ".join(queues)
        self._rows = rows
        self._queues = list(queues)
        self._excluded = excluded
        self._lease_s = lease_s
        self._web = web
        self._paused = PausedQueues(rows)
        self._expired_at_s = 0.0
        self._alarm = _alarm(rows.database)

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        """Claim rows, waiting until the first is due; see :class:`.base.Receiver`."""
        try:
            return self._receive(limit, time.monotonic() + wait_s)
        except DatabaseUnavailable:
            # Nobody could send heartbeats: give workers time to, before any lease ends.
            self._expired_at_s = time.monotonic() + _EXPIRED_PAUSE_S
            raise

    def _receive(self, limit: int, deadline_s: float) -> list[Delivery]:
        while True:
            existing = existing_queues(self._rows, self._queues, self._excluded)
            queues = self._paused.without(existing)
            claims = self._claim(queues, limit)
            left_s = deadline_s - time.monotonic()
            if claims or left_s <= 0:
                return [
                    Delivery(c.text, c.token, c.queue, c.attempt + 1, claim=c)
                    for c in claims
                ]
            # Not past the next look for leases that are over.
            left_s = min(left_s, max(0.0, self._expired_at_s - time.monotonic()))
            if len(queues) < len(existing):
                # The end of a pause must be noticed.
                left_s = min(left_s, LOOK_PAUSE_S)
            due_s = self._rows.next_due_s(queues, self._web) if queues else None
            if due_s is not None:
                left_s = min(left_s, max(due_s, _SHORTEST_PAUSE_S))
            with translated(self._rows.database):
                if self._alarm.wait(left_s):
                    return []

    def _claim(self, queues: Sequence[str], limit: int) -> list[Claim]:
        now_s = time.monotonic()
        if now_s >= self._expired_at_s:
            self._expired_at_s = now_s + min(_EXPIRED_PAUSE_S, self._lease_s)
            self._rows.end_leases()
            self._rows.free_expired()
            self._take_back_sent()
        if not queues:
            return []
        return self._rows.claim_due(
            queues, limit, self._lease_s, self._web, self._starts
        )

    def _take_back_sent(self) -> None:
        """Run rows that were sent to SQS, before the settings were changed."""
        number = self._rows.take_back_sent(_ROWS_TAKEN_BACK)
        if number:
            _log.warning(
                self._rows.database,
                "%d task(s) of database %s were sent to SQS and have not run; they run "
                "from their rows, since broker = database here. Restart processes "
                "that still send there",
                number,
                self._rows.database,
            )

    def wake(self) -> None:
        """End a wait; see :class:`.base.Receiver`."""
        self._alarm.set()

    def close(self) -> None:
        """Close the listening connection."""
        self._alarm.close()


class DatabaseConsumer:
    """Has little to do: the run of a task writes its row."""

    polls_are_billed = False
    finds_receivers = False

    def __init__(self, receiver: DatabaseReceiver) -> None:
        self._receiver = receiver
        self.receivers = [receiver]

    def find_receivers(self) -> None:
        """Nothing to do: the receiver looks for queues by itself."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Look for rows again if one of an ordered queue has ended.

        The next one of its group can run now. Otherwise nothing is to be done: the
        outcome is in the row.
        """
        if any(is_ordered(delivery.queue) for delivery in deliveries):
            self._receiver.wake()

    def release(self, delivery: Delivery, delay_s: float) -> None:
        """Do nothing: the delay is the row's due time."""

    def release_max_s(self, delivery: Delivery) -> float:
        """Return infinity: see :meth:`release`."""
        return float("inf")

    def dead_letter(self, delivery: Delivery, reason: str, token: str | None) -> None:
        """As :meth:`acknowledge`: the failed row is the dead letter."""
        self.acknowledge([delivery])

    def extend(self, deliveries: Sequence[Delivery], timeout_s: int) -> list[Delivery]:
        """Do nothing: the lease is in the row."""
        return []

    def close(self) -> None:
        """Close the receiver's connection."""
        self._receiver.close()


class _Alarm(Wakeup):
    """Waits on SQLite: for a short time, since other processes cannot notify."""

    def wait(self, timeout_s: float, *others: Any) -> bool:
        # Reading the file is cheap.
        return super().wait(min(timeout_s, _POLL_PAUSE_S), *others)


class _ListeningAlarm(Wakeup):
    """Waits on PostgreSQL: ends also at a NOTIFY."""

    def __init__(self, database_name: str) -> None:
        super().__init__()
        self._database = database_name
        self._connection: Any = None

    def wait(self, timeout_s: float, *others: Any) -> bool:
        try:
            if self._connection is None:
                self._connection = connection_pool.connect(self._database)
                self._connection.cursor().execute(f'LISTEN "{CHANNEL}"')
                # Earlier notifications are not delivered: look at the rows at once.
                return False
            rung = super().wait(timeout_s, self._connection, *others)
            driver().hear(self._connection)
            return rung
        except Exception:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection_pool.disconnect(self._database, connection)

    def close(self) -> None:
        self._disconnect()
        super().close()


def _alarm(database_name: str) -> Wakeup:
    if backend.name == "postgresql":
        return _ListeningAlarm(database_name)
    return _Alarm()
