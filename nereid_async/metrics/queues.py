"""What is in the queues, read from the database when it is asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..rows import OpenBatches, QueueOverview, TaskRows
from ..throttled_log import ThrottledLog

logger = logging.getLogger(__name__)

#: For how long what was read is told again.
_FRESH_S = 5.0
#: How long a database that is away is left alone.
_AWAY_S = 1.0
#: A read that takes long is repeated less often: it takes this part of the time.
_SHARE = 0.1
#: How long a scrape waits for the database.
_PATIENCE_S = 2.0
#: Queues that are told although nothing is in them any more.
_QUEUES_MAX = 200


@dataclass(frozen=True)
class QueueFacts:
    """What was read.

    :ivar outbox_oldest_s: for how long the oldest row has waited that should have been
        sent, in seconds; None if nothing is sent, since the rows are the messages.
    """

    queues: Sequence[QueueOverview]
    batches: OpenBatches
    outbox_oldest_s: float | None


class QueueReader:
    """Reads in a thread of its own, so that nobody waits for a database that is away.

    :param horizon_s: how long before its due time a row is sent, in seconds; None if
        nothing is sent.
    :param queues: short names of queues that are told also if nothing is in them.
    """

    def __init__(
        self, rows: TaskRows, horizon_s: float | None, queues: Sequence[str] = ()
    ) -> None:
        self._rows = rows
        self._horizon_s = horizon_s
        self._known = set(queues)
        self._log = ThrottledLog(logger)
        self._changed = threading.Condition()
        self._wanted = False
        self._started = False
        self._facts: QueueFacts | None = None
        self._fresh_until_s = float("-inf")

    def read(self) -> QueueFacts | None:
        """What is in the queues, some seconds old at most.

        Waits two seconds at most.

        :returns: None if the database cannot be read now.
        """
        with self._changed:
            if time.monotonic() >= self._fresh_until_s:
                self._want()
                self._changed.wait_for(lambda: not self._wanted, _PATIENCE_S)
            return None if self._wanted else self._facts

    def _want(self) -> None:
        self._wanted = True
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="queues", daemon=True).start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted)
            begun_s = time.monotonic()
            facts = self._look()
            with self._changed:
                now_s = time.monotonic()
                least_s = _AWAY_S if facts is None else _FRESH_S
                pause_s = max(least_s, (now_s - begun_s) / _SHARE)
                self._facts, self._fresh_until_s = facts, now_s + pause_s
                self._wanted = False
                self._changed.notify_all()

    def _look(self) -> QueueFacts | None:
        try:
            queues = {it.queue: it for it in self._rows.overview()}
            batches = self._rows.open_batches()
            outbox_s = None
            if self._horizon_s is not None:
                outbox_s = self._rows.oldest_unsent_s(self._horizon_s)
        except Exception as error:
            # The thread must go on, whatever the error is.
            self._log.warning(type(error).__name__, "metrics of the queues: %s", error)
            return None
        for queue in sorted(queues):
            if len(self._known) < _QUEUES_MAX:
                self._known.add(queue)
        told = [
            queues.get(queue, QueueOverview(queue)) for queue in sorted(self._known)
        ]
        return QueueFacts(told, batches, outbox_s)
