"""Signs of life for what a worker holds, so that nobody takes it over."""

from __future__ import annotations

import logging
import threading
import time

from ..brokers.base import Consumer
from ..errors import TransportError
from ..runtime import Runtime
from ..throttled_log import ThrottledLog
from .job import Job

logger = logging.getLogger(__name__)

#: A lease is extended this many times before it would end.
_BEATS_A_LEASE = 3
#: How often one is tried that fails, until the next one.
_TRIES_A_BEAT = 10
#: It looks so often anyway, so as not to be woken for each job that begins.
_LOOK_S = 5.0


class LeaseKeeper(threading.Thread):
    """Extends the leases of all jobs in hand, in one thread a process."""

    def __init__(self, runtime: Runtime, consumer: Consumer) -> None:
        super().__init__(name="lease-keeper", daemon=True)
        self._runtime = runtime
        self._consumer = consumer
        self._received_for_s = runtime.settings.visibility_timeout
        self._log = ThrottledLog(logger)
        self._changed = threading.Condition()
        self._due_at_s: dict[str, float] = {}
        self._jobs: dict[str, Job] = {}
        self._wakes_at_s = 0.0
        self._stopped = False

    def hold(self, job: Job) -> None:
        """Begin to extend a job's lease."""
        with self._changed:
            self._jobs[job.message.id] = job
            job.lease.extended(time.monotonic(), self._received_for_s)
            # It was received for as long as the settings say, not the task: one
            # that wants a shorter hold gets it at once, for it may kill its worker.
            first_s = min(_pause_s(job), self._received_for_s / _BEATS_A_LEASE)
            if job.message.visibility_timeout_s < self._received_for_s:
                first_s = 0
            due_at_s = time.monotonic() + first_s
            self._due_at_s[job.message.id] = due_at_s
            if due_at_s < self._wakes_at_s:
                self._changed.notify()

    def let_go(self, job: Job) -> None:
        """Stop to extend it."""
        with self._changed:
            self._jobs.pop(job.message.id, None)
            self._due_at_s.pop(job.message.id, None)

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """Wait for the next lease that is to be extended."""
        while True:
            with self._changed:
                if self._stopped:
                    return
                now_s = time.monotonic()
                due = [id for id, at_s in self._due_at_s.items() if at_s <= now_s]
                if not due:
                    at_s = min(self._due_at_s.values(), default=now_s + _LOOK_S)
                    self._wakes_at_s = min(at_s, now_s + _LOOK_S)
                    self._changed.wait(self._wakes_at_s - now_s)
                    continue
                jobs = [self._jobs[id] for id in due]
                for job in jobs:
                    self._due_at_s[job.message.id] = now_s + _pause_s(job)
            try:
                self._extend(jobs)
            except BaseException:
                # Without a keeper all that is in hand is lost.
                logger.exception("the lease keeper failed, and goes on")
                self._try_again(jobs)

    def _extend(self, jobs: list[Job]) -> None:
        by_timeout: dict[int, list[Job]] = {}
        for job in jobs:
            by_timeout.setdefault(job.message.visibility_timeout_s, []).append(job)
        for timeout_s, group in by_timeout.items():
            for extend in (self._extend_claims, self._extend_deliveries):
                try:
                    extend(timeout_s, group)
                except TransportError as error:
                    self._log.warning(
                        type(error).__name__,
                        "leases of %d task(s) not extended: %s",
                        len(group),
                        error,
                    )
                    self._try_again(group)

    def _try_again(self, jobs: list[Job]) -> None:
        """Do not wait for the next beat: what stood in the way may be gone at once."""
        now_s = time.monotonic()
        with self._changed:
            for job in jobs:
                if job.message.id in self._due_at_s:
                    soon_s = now_s + _pause_s(job) / _TRIES_A_BEAT
                    self._due_at_s[job.message.id] = soon_s

    def _extend_claims(self, timeout_s: int, jobs: list[Job]) -> None:
        rows = self._runtime.rows
        if rows is None:
            return
        claims = [job.claim for job in jobs if job.claim is not None]
        held = rows.extend(claims, timeout_s)
        lost = [claim.id for claim in claims if claim.id not in held]
        if lost:
            logger.warning("lease lost of %d task(s): %s", len(lost), ", ".join(lost))

    def _extend_deliveries(self, timeout_s: int, jobs: list[Job]) -> None:
        asked_at_s = time.monotonic()
        lost = self._consumer.extend([job.delivery for job in jobs], timeout_s)
        for job in jobs:
            if job.delivery in lost:
                job.lease.lost()
            else:
                job.lease.extended(asked_at_s, timeout_s)


def _pause_s(job: Job) -> float:
    return job.message.visibility_timeout_s / _BEATS_A_LEASE
