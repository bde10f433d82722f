"""Interrupts attempts: at their time limit, or when they are cancelled."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import TaskCancelled
from .attempt import Attempt

logger = logging.getLogger(__name__)


class Interrupter:
    """Watches the attempts of a process, all of them in one thread. Thread-safe.

    That thread starts with the first attempt that has a time limit or is interrupted.

    :param grace_s: seconds that an attempt may take to end once it is interrupted.
    :param on_stuck: called in that thread when one has not ended by then.
    :ivar threads: the thread, if it was started.
    """

    def __init__(self, grace_s: float, on_stuck: Callable[[Attempt], None]) -> None:
        self._grace_s = grace_s
        self._on_stuck = on_stuck
        #: By the ids of their threads.
        self._attempts: dict[int, Attempt] = {}
        self._changed = threading.Condition()
        self._wakes_at_s = -math.inf
        self._stopped = False
        self.threads: list[threading.Thread] = []

    @contextmanager
    def watched(self, attempt: Attempt) -> Iterator[None]:
        """Watch an attempt of this thread in the context."""
        thread_id = threading.get_ident()
        # Nothing is locked here: most tasks are short.
        self._attempts[thread_id] = attempt
        attempt.job.cancelling.interrupt = lambda: self._cancel(attempt)
        try:
            if attempt.due_at_s < math.inf:
                self._wake_for(attempt)
            yield
        finally:
            del self._attempts[thread_id]
            attempt.job.cancelling.interrupt = None

    def _cancel(self, attempt: Attempt) -> None:
        attempt.interrupt(TaskCancelled, self._grace_s)
        self._wake_for(attempt)

    @property
    def stuck(self) -> list[Attempt]:
        """The attempts that have not ended within the grace."""
        return [it for it in list(self._attempts.values()) if it.is_stuck]

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        for thread in self.threads:
            thread.join()

    def _wake_for(self, attempt: Attempt) -> None:
        if self.threads and attempt.due_at_s >= self._wakes_at_s:
            return
        with self._changed:
            if not self.threads:
                thread = threading.Thread(
                    target=self._run, name="interrupter", daemon=True
                )
                thread.start()
                self.threads.append(thread)
            self._changed.notify()

    def _run(self) -> None:
        while self._wait():
            try:
                self._look()
            except BaseException:
                # Without it no limit would hold any more.
                logger.exception("the interrupter failed, and goes on")
                time.sleep(1)

    def _wait(self) -> bool:
        """Wait until an attempt is due; whether to go on."""
        with self._changed:
            while not self._stopped:
                # Whatever comes from here on wakes it.
                self._wakes_at_s = math.inf
                due_at_s = min(
                    (it.due_at_s for it in list(self._attempts.values())),
                    default=math.inf,
                )
                self._wakes_at_s = due_at_s
                now_s = time.monotonic()
                if due_at_s <= now_s:
                    return True
                self._changed.wait(None if due_at_s == math.inf else due_at_s - now_s)
        return False

    def _look(self) -> None:
        now_s = time.monotonic()
        for attempt in list(self._attempts.values()):
            if attempt.due_at_s <= now_s:
                attempt.see_to(self._grace_s)
        for attempt in self.stuck:
            if not attempt.given_up:
                attempt.given_up = True
                self._on_stuck(attempt)
