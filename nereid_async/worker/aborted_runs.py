"""Runs that the end of their process aborts: it notes them, its parent hands them back.

The parent waits for the process to end before that. Until then a run could still
commit, and on SQLite it could hold the lock of the file.
"""

from __future__ import annotations

import json
import logging
import mmap
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..brokers.base import Delivery
from ..database import connections
from ..errors import LeaseLost
from ..rows import Claim
from ..runtime import Runtime
from .delivery_row import DeliveryRow, row_of
from .job import Job
from .settlement import Settlement

logger = logging.getLogger(__name__)

_SIZE = struct.Struct("I")
#: Room for ids, a token, a queue's name and a receipt handle (1,024 characters at
#: most, says Amazon's API reference), as JSON.
_BYTES_A_RUN = 4_096


@dataclass(frozen=True)
class AbortedRun:
    """A run that was aborted, as the parent settles it; see :class:`.job.Held`."""

    name: str
    delivery: Delivery
    row: DeliveryRow
    reply_to: None = None

    def __str__(self) -> str:
        return self.name


class AbortedRuns:
    """The aborted runs of one process, in memory that it shares with its parent.

    Must be made before the fork.

    :param threads: number of tasks that the process runs at a time.
    """

    def __init__(self, threads: int) -> None:
        self._memory = mmap.mmap(-1, _SIZE.size + threads * _BYTES_A_RUN)

    def note(self, jobs: Iterable[Job]) -> None:
        """Note the jobs that still run, as the last act before the process ends.

        Safe in a signal handler.
        """
        data = json.dumps([_noted(job) for job in jobs]).encode()
        if _SIZE.size + len(data) <= len(self._memory):
            self._memory[_SIZE.size : _SIZE.size + len(data)] = data
            _SIZE.pack_into(self._memory, 0, len(data))

    def take(self, runtime: Runtime) -> list[AbortedRun]:
        """Return what a process noted before it ended, and forget it."""
        (size_bytes,) = _SIZE.unpack_from(self._memory)
        _SIZE.pack_into(self._memory, 0, 0)
        if not size_bytes:
            return []
        data = self._memory[_SIZE.size : _SIZE.size + size_bytes]
        return [_read(noted, runtime) for noted in json.loads(data)]


def hand_back(
    runs: Sequence[AbortedRun], runtime: Runtime, queues: Sequence[str]
) -> None:
    """Release aborted runs at once, so that other workers run them. Never raises.

    They do not count as attempts: the task did not fail, its worker was stopped.

    :param queues: short names of the queues that the worker serves.
    """
    consumer = runtime.broker.consumer(queues)
    settlement = Settlement(runtime, consumer)
    handed_back = []
    for number, run in enumerate(runs):
        try:
            settlement.hand_back(run)
            handed_back.append(str(run))
        except LeaseLost:
            logger.info("%s has finished, or another worker has it", run)
        except Exception as error:
            left = ", ".join(str(it) for it in runs[number:])
            logger.warning("not handed back until the lease ends: %s (%s)", left, error)
            break
    if handed_back:
        logger.warning(
            "aborted and handed back, which counts as no attempt: %s",
            ", ".join(handed_back),
        )
    consumer.close()
    connections.close(runtime.database)


def _noted(job: Job) -> dict[str, Any]:
    claim = job.claim
    return {
        "name": str(job),
        "queue": job.delivery.queue,
        "receipt": job.delivery.receipt,
        "claim": None if claim is None else [claim.id, claim.token, claim.attempt],
    }


def _read(noted: dict[str, Any], runtime: Runtime) -> AbortedRun:
    claim = None if noted["claim"] is None else Claim(*noted["claim"])
    delivery = Delivery("", noted["receipt"], noted["queue"], claim=claim)
    row = row_of(delivery, runtime)
    return AbortedRun(noted["name"], delivery, row)
