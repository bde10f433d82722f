"""Signs of life for what a worker holds, so that nobody takes it over."""

from __future__ import annotations

import logging
import time

from ..brokers.base import Consumer
from ..errors import LeaseLost
from ..rows import TaskRows
from ..runtime import Runtime
from .extender import Extender
from .job import Job

logger = logging.getLogger(__name__)


class LeaseKeeper:
    """Extends what holds the jobs of a process: leases of rows, and messages.

    Each kind has a thread of its own: a service that does not answer does not keep the
    other one from being told.

    :ivar threads: to be started, and stopped.
    """

    def __init__(self, runtime: Runtime, consumer: Consumer) -> None:
        self._received_for_s = runtime.settings.visibility_timeout
        self.threads: list[Extender] = []
        if runtime.rows is not None:
            claims = _Claims(runtime.rows)
            self.threads.append(
                Extender("row-leases", self._received_for_s, claims.extend)
            )
        if not runtime.rows_are_messages:
            messages = _Messages(consumer)
            self.threads.append(
                Extender(
                    "message-leases",
                    self._received_for_s,
                    messages.extend,
                    apart=lambda job: job.delivery.queue,
                )
            )

    def hold(self, job: Job) -> None:
        """Begin to extend what holds a job."""
        job.lease.extended(job.delivery.received_at_s, self._received_for_s)
        if job.claim is not None:
            job.claim_lease.ends_at_s = job.claim.held_until_s
        for thread in self.threads:
            thread.hold(job)

    def let_go(self, job: Job) -> None:
        """Stop to extend it."""
        for thread in self.threads:
            thread.let_go(job)


def check_held(job: Job) -> None:
    """See that a job is still this worker's, before it starts.

    That costs nothing as long as its lease has not ended by this process's clock, which
    goes on while the process is stopped.

    :raises LeaseLost: another worker may have it.
    :raises DatabaseUnavailable: that cannot be told.
    """
    if not job.guard.over:
        return
    asked_at_s, lease_s = time.monotonic(), job.message.visibility_timeout_s
    if not job.row.still_held(lease_s):
        raise LeaseLost("its lease was over, and another worker has it, or may have it")
    job.guard.extended(asked_at_s, lease_s)


class _Claims:
    """Extends the leases of rows."""

    def __init__(self, rows: TaskRows) -> None:
        self._rows = rows

    def extend(self, jobs: list[Job], timeout_s: int) -> None:
        """Say that the runs of these jobs live, and note what has become of them."""
        asked_at_s = time.monotonic()
        claims = [job.claim for job in jobs if job.claim is not None]
        held = self._rows.extend(claims, timeout_s)
        lost = []
        for job in jobs:
            if job.message.id in held:
                job.claim_lease.extended(asked_at_s, timeout_s)
            elif job.claim is not None and job.claim_lease.lost():
                lost.append(job.message.id)
        if lost:
            logger.warning("lease lost of %d task(s): %s", len(lost), ", ".join(lost))


class _Messages:
    """Holds messages, so that nobody else receives them."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def extend(self, jobs: list[Job], timeout_s: int) -> None:
        """Hold the messages of these jobs, and note which are not held any more."""
        asked_at_s = time.monotonic()
        lost = self._consumer.extend([job.delivery for job in jobs], timeout_s)
        for job in jobs:
            if job.delivery in lost:
                job.lease.lost()
            else:
                job.lease.extended(asked_at_s, timeout_s)
