"""Heartbeats for the tasks in flight, so that no other worker takes them over."""

from __future__ import annotations

import logging
import time

from ..brokers.base import Consumer
from ..errors import LeaseLost
from ..rows import TaskRows
from ..runtime import Runtime
from .extender import Extender
from .held_members import HeldMembers
from .job import Job

logger = logging.getLogger(__name__)


class LeaseKeeper:
    """Extends the leases of the jobs of a process: of their rows and their messages.

    Each kind has a thread of its own, so that an unreachable queue service does not
    delay the heartbeats of rows, nor the database those of messages.

    :param members: told which jobs are held; None for nobody.
    :ivar threads: to be started and stopped by the process.
    """

    def __init__(
        self,
        runtime: Runtime,
        consumer: Consumer,
        members: HeldMembers | None = None,
    ) -> None:
        self._members = members or HeldMembers()
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
        """Begin to extend the leases of a job."""
        job.lease.extended(job.delivery.received_at_s, self._received_for_s)
        if job.claim is not None:
            job.claim_lease.ends_at_s = job.claim.held_until_s
        self._members.hold(job)
        for thread in self.threads:
            thread.hold(job)

    def let_go(self, job: Job) -> None:
        """Stop extending the leases of a job."""
        self._members.let_go(job)
        for thread in self.threads:
            thread.let_go(job)


def check_held(job: Job) -> None:
    """Check that this worker still holds a job, before it starts.

    This costs no statement unless the lease has ended by the clock of this process. The
    clock also runs while the process is stopped (SIGSTOP).

    :raises LeaseLost: another worker may have the job.
    :raises DatabaseUnavailable: the row could not be asked.
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
        """Extend the leases of the rows of jobs, and note which ones are lost."""
        asked_at_s = time.monotonic()
        claims = [job.claim for job in jobs if job.claim is not None]
        held = self._rows.extend(claims, timeout_s)
        lost = []
        for job in jobs:
            if job.message.id in held:
                job.claim_lease.extended(asked_at_s, timeout_s)
                job.cancelling.note(held[job.message.id])
            elif job.claim is not None and job.claim_lease.lost():
                lost.append(job.message.id)
        if lost:
            logger.warning("lease lost of %d task(s): %s", len(lost), ", ".join(lost))


class _Messages:
    """Extends the visibility timeouts of messages."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def extend(self, jobs: list[Job], timeout_s: int) -> None:
        """Extend the visibility timeouts of jobs, and note which ones are lost."""
        asked_at_s = time.monotonic()
        lost = self._consumer.extend([job.delivery for job in jobs], timeout_s)
        for job in jobs:
            if job.delivery in lost:
                job.lease.lost()
            else:
                job.lease.extended(asked_at_s, timeout_s)
