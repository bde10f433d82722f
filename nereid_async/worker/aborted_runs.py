"""Runs that the end of their process aborts: it notes them, its parent hands them back.

The parent waits for the process to end before that. Until then a run could still
commit, and on SQLite it could hold the lock of the file.
"""

from __future__ import annotations

import json
import logging
import mmap
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..brokers.base import Delivery
from ..database import connections
from ..errors import LeaseLost
from ..messages.outcome import Failure
from ..rows import Claim
from ..runtime import Runtime
from .delivery_row import DeliveryRow, row_of
from .job import Job
from .settlement import Ending, Settlement

logger = logging.getLogger(__name__)

_SIZE = struct.Struct("I")
#: Room for ids, a token, a queue's name and a receipt handle (1,024 characters at
#: most, says Amazon's API reference), and for a failure, as JSON. What is not used
#: takes no memory.
_BYTES_A_RUN = 65_536
#: What is kept of a traceback, from its end: twelve bytes of JSON each, at most.
_TRACEBACK_CHARS = 4_000


@dataclass(frozen=True)
class AbortedRun:
    """A run that was aborted, as the parent settles it; see :class:`.job.Held`.

    :ivar ending: how it has failed; None if it is to run again as if it had not begun.
    """

    name: str
    delivery: Delivery
    row: DeliveryRow
    ending: Ending | None = None
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

    def note(self, jobs: Iterable[Job], endings: Mapping[str, Ending]) -> None:
        """Note the jobs that still run, as the last act before the process ends.

        Safe in a signal handler.

        :param endings: how they have failed, by the ids of their tasks.
        """
        noted = [_noted(job, endings.get(job.message.id)) for job in jobs]
        data = json.dumps(noted).encode()
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


def settle(runs: Sequence[AbortedRun], runtime: Runtime, queues: Sequence[str]) -> None:
    """Settle aborted runs. Never raises.

    Other workers run them at once, which counts as no attempt: the task did not fail,
    its worker was stopped. Those that have failed, since they did not end when they
    were interrupted, fail or run again as their process has decided.

    :param queues: short names of the queues that the worker serves.
    """
    try:
        _settle(runs, runtime, queues)
    except Exception:
        # The parent goes on: the runs that are left come again when their leases end.
        logger.exception("%d aborted run(s) are not settled", len(runs))


def _settle(
    runs: Sequence[AbortedRun], runtime: Runtime, queues: Sequence[str]
) -> None:
    consumer = runtime.broker.consumer(queues)
    settlement = Settlement(runtime, consumer)
    handed_back = []
    for number, run in enumerate(runs):
        try:
            if run.ending is not None:
                settlement.write_ending(run, run.ending)
                continue
            settlement.hand_back(run)
            handed_back.append(str(run))
        except LeaseLost:
            logger.info("%s has finished, or another worker has it", run)
        except Exception as error:
            left = ", ".join(str(it) for it in runs[number:])
            logger.warning("not settled until the lease ends: %s (%s)", left, error)
            break
    if handed_back:
        logger.warning(
            "aborted and handed back, which counts as no attempt: %s",
            ", ".join(handed_back),
        )
    consumer.close()
    connections.close(runtime.database)


def _noted(job: Job, ending: Ending | None) -> dict[str, Any]:
    claim = job.claim
    return {
        "name": str(job),
        "queue": job.delivery.queue,
        "receipt": job.delivery.receipt,
        "claim": None if claim is None else [claim.id, claim.token, claim.attempt],
        "ending": None if ending is None else _noted_ending(ending),
    }


def _read(noted: dict[str, Any], runtime: Runtime) -> AbortedRun:
    claim = None if noted["claim"] is None else Claim(*noted["claim"])
    delivery = Delivery("", noted["receipt"], noted["queue"], claim=claim)
    row = row_of(delivery, runtime)
    return AbortedRun(noted["name"], delivery, row, _read_ending(noted["ending"]))


def _noted_ending(ending: Ending) -> dict[str, Any]:
    noted = asdict(ending)
    if ending.failure is not None:
        noted["failure"]["traceback"] = ending.failure.traceback[-_TRACEBACK_CHARS:]
    return noted


def _read_ending(noted: dict[str, Any] | None) -> Ending | None:
    if noted is None:
        return None
    failure = noted["failure"]
    return Ending(None if failure is None else Failure(**failure), noted["delay_s"])
