"""Held polls: they wait for the end of a task. Few of them: each occupies a thread."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..settings import DEFAULT_POLLS_HELD
from .endpoint import NOT_FOUND, Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LOOK_EVERY_S = 0.1
#: How often it is checked that the owner may still read.
_CHECK_EVERY_S = 1.0


class HeldPolls:
    """The places for held polls of one process. Thread-safe.

    :param most: number of places; None for :data:`DEFAULT_POLLS_HELD`, or none in a
        server whose processes have one thread each.
    :param longest_s: longest wait that a poll may ask for, in seconds.
    :ivar held: number of polls that are held now.
    """

    def __init__(self, most: int | None, longest_s: float) -> None:
        self._threads_needed = most is None
        self._longest_s = longest_s
        self._most = DEFAULT_POLLS_HELD if most is None else most
        self._lock = threading.Lock()
        self.held = 0

    @contextmanager
    def place(self, environ: WSGIEnvironment, wait: str | None) -> Iterator[float]:
        """Take a place in the context; yields for how many seconds to hold the poll.

        That is 0 without a place.

        :param wait: value of the poll's query parameter ``wait``.
        """
        wait_s = self._wait_s(wait)
        if self._threads_needed and not environ.get("wsgi.multithread"):
            wait_s = 0
        if not wait_s or not self._taken():
            yield 0
            return
        try:
            yield wait_s
        finally:
            with self._lock:
                self.held -= 1

    def _taken(self) -> bool:
        """Take a place if one is free; return whether one was."""
        with self._lock:
            free = self.held < self._most
            self.held += free
            return free

    def _wait_s(self, wait: str | None) -> float:
        try:
            asked_s = float(wait or 0)
        except ValueError:
            return 0
        if math.isnan(asked_s):
            return 0
        return max(0, min(asked_s, self._longest_s))


def hold(
    look: Callable[[], Answer], may_read: Callable[[], bool | None], wait_s: float
) -> Answer:
    """Look until the answer is final, or the time is over.

    :param look: returns the present answer.
    :param may_read: returns whether the owner may still read; None if only the app can
        tell. Called once a second, and before a final answer is returned.
    :param wait_s: how long to wait, in seconds.
    """
    check_at_s = time.monotonic() + _CHECK_EVERY_S
    deadline_s = time.monotonic() + wait_s
    answer = look()
    while answer.status == 202 and (left_s := deadline_s - time.monotonic()) > 0:
        time.sleep(min(_LOOK_EVERY_S, left_s))
        unfinished, answer = answer, look()
        if answer.status == 202 and time.monotonic() < check_at_s:
            continue
        check_at_s = time.monotonic() + _CHECK_EVERY_S
        may = may_read()
        if not may:
            # If only the app can tell, the browser's next poll goes to its route.
            return unfinished if may is None else NOT_FOUND
    return answer
