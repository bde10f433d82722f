"""What a process was at when it was cut off: noted by it, given back by its parent.

The parent does it when the process has ended: until then a run might go on, and on
SQLite it might hold the file.
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
from .delivery_row import DeliveryRow, claimed_row
from .job import Job
from .settlement import Settlement

logger = logging.getLogger(__name__)

_SIZE = struct.Struct("I")
#: Ids, a token, a queue and a receipt, which has 1,024 characters at most.
_BYTES_A_RUN = 4_096


@dataclass(frozen=True)
class AbortedRun:
    """A run that was cut off; see :class:`.job.Held`."""

    name: str
    delivery: Delivery
    row: DeliveryRow
    reply_to: None = None

    def __str__(self) -> str:
        return self.name


class AbortedRuns:
    """Those of the process in one slot, in memory that it shares with its parent.

    Made before the fork.

    :param threads: how many tasks it runs at a time.
    """

    def __init__(self, threads: int) -> None:
        self._memory = mmap.mmap(-1, _SIZE.size + threads * _BYTES_A_RUN)

    def note(self, jobs: Iterable[Job]) -> None:
        """Note what is cut off, as the last thing before the process ends.

        From a signal handler, too.
        """
        data = json.dumps([_noted(job) for job in jobs]).encode()
        if _SIZE.size + len(data) <= len(self._memory):
            self._memory[_SIZE.size : _SIZE.size + len(data)] = data
            _SIZE.pack_into(self._memory, 0, len(data))

    def take(self, runtime: Runtime) -> list[AbortedRun]:
        """What a process that has ended was at; once."""
        (size_bytes,) = _SIZE.unpack_from(self._memory)
        _SIZE.pack_into(self._memory, 0, 0)
        if not size_bytes:
            return []
        data = self._memory[_SIZE.size : _SIZE.size + size_bytes]
        return [_read(noted, runtime) for noted in json.loads(data)]


def give_back(
    runs: Sequence[AbortedRun], runtime: Runtime, queues: Sequence[str]
) -> None:
    """Let other workers have what was cut off, at once. Never raises.

    It counts as no attempt: nobody could know how long it takes.
    """
    consumer = runtime.broker.consumer(queues)
    settlement = Settlement(runtime, consumer)
    given_back = []
    for number, run in enumerate(runs):
        try:
            settlement.hand_back(run)
            given_back.append(str(run))
        except LeaseLost:
            logger.info("%s has come to its end, or another worker has it", run)
        except Exception as error:
            left = ", ".join(str(it) for it in runs[number:])
            logger.warning("not given back until the lease ends: %s (%s)", left, error)
            break
    if given_back:
        logger.warning(
            "cut off, and given back; this was no attempt: %s", ", ".join(given_back)
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
    row = claimed_row(delivery, claim, runtime)
    return AbortedRun(noted["name"], delivery, row)
