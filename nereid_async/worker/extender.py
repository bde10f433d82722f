"""A thread that sends heartbeats: it extends the leases of the jobs of a process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import TransportError
from ..throttled_log import ThrottledLog
from .job import Job

logger = logging.getLogger(__name__)

#: Heartbeats per length of a lease: two may fail before it ends.
_BEATS_A_LEASE = 3
#: Tries of a heartbeat that fails, before the next one is due.
_TRIES_A_BEAT = 10
#: Longest sleep, so that a new job need not wake the thread unless it is due earlier.
_LOOK_S = 5.0


class Extender(threading.Thread):
    """Extends one kind of lease for all jobs in flight.

    :param received_for_s: length of a lease as the broker gives it, in seconds.
    :param extend: extends the leases of jobs, by a number of seconds from now.
    :param apart: groups jobs: those with different keys are extended by different
        calls, so that the failure of one group does not affect the others.
    """

    def __init__(
        self,
        name: str,
        received_for_s: float,
        extend: Callable[[list[Job], int], None],
        apart: Callable[[Job], str] = lambda job: "",
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._received_for_s = received_for_s
        self._extend = extend
        self._apart = apart
        self._changed = threading.Condition()
        self._due_at_s: dict[str, float] = {}
        self._jobs: dict[str, Job] = {}
        self._wakes_at_s = 0.0
        self._stopped = False
        self._log = ThrottledLog(logger)

    def hold(self, job: Job) -> None:
        """Begin to extend a job's lease."""
        with self._changed:
            self._jobs[job.message.id] = job
            # The broker gave the lease the length of the setting. A task that wants a
            # shorter one, maybe since it can crash its worker, gets it at once.
            first_s = min(_pause_s(job), self._received_for_s / _BEATS_A_LEASE)
            if job.message.visibility_timeout_s < self._received_for_s:
                first_s = 0
            due_at_s = time.monotonic() + first_s
            self._due_at_s[job.message.id] = due_at_s
            if due_at_s < self._wakes_at_s:
                self._changed.notify()

    def let_go(self, job: Job) -> None:
        """Stop extending a job's lease."""
        with self._changed:
            self._jobs.pop(job.message.id, None)
            self._due_at_s.pop(job.message.id, None)

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """Extend each lease when it is due, until stopped."""
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
            self.extend_now(jobs)

    def extend_now(self, jobs: list[Job]) -> None:
        """Extend the leases of these jobs; what fails is logged. Never raises."""
        groups: dict[tuple[int, str], list[Job]] = {}
        for job in jobs:
            key = job.message.visibility_timeout_s, self._apart(job)
            groups.setdefault(key, []).append(job)
        for (timeout_s, _), group in groups.items():
            try:
                self._extend(group, timeout_s)
            except TransportError as error:
                self._log.warning(
                    type(error).__name__,
                    "%s of %d task(s) not extended: %s",
                    self.name,
                    len(group),
                    error,
                )
                self._try_again(group)
            except BaseException:
                # This thread must not end: all leases in flight would run out.
                logger.exception("extending %s failed; it is tried again", self.name)
                self._try_again(group)

    def _try_again(self, jobs: list[Job]) -> None:
        """Try again before the next heartbeat: the cause may pass within seconds."""
        now_s = time.monotonic()
        with self._changed:
            for job in jobs:
                if job.message.id in self._due_at_s:
                    soon_s = now_s + _pause_s(job) / _TRIES_A_BEAT
                    self._due_at_s[job.message.id] = soon_s


def _pause_s(job: Job) -> float:
    return job.message.visibility_timeout_s / _BEATS_A_LEASE
