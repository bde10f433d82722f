"""Polls that wait for the end of a task: few, since each holds a thread."""

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
#: How often it is checked that the visitor may still read.
_CHECK_EVERY_S = 1.0


class HeldPolls:
    """Places for polls that are held, in one process. Thread-safe.

    :param most: how many there are; None for :data:`DEFAULT_POLLS_HELD`, and for none
        in a server whose processes have one thread each.
    :param longest_s: the longest wait that a poll may ask for.
    :ivar held: how many polls are held now.
    """

    def __init__(self, most: int | None, longest_s: float) -> None:
        self._threads_needed = most is None
        self._longest_s = longest_s
        self._most = DEFAULT_POLLS_HELD if most is None else most
        self._lock = threading.Lock()
        self.held = 0

    @contextmanager
    def place(self, environ: WSGIEnvironment, wait: str | None) -> Iterator[float]:
        """For how many seconds a poll is held; 0 where there is no place for it.

        :param wait: what the poll asks for, as its query has it.
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
        """Take a place, if one is free; whether it was."""
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
    """Look until the answer is a final one, or the time is over.

    :param may_read: whether the visitor still may; None if only Nereid can tell. Asked
        now and then, and before a final answer is given.
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
            # The next poll of the same visitor goes where it can be told.
            return unfinished if may is None else NOT_FOUND
    return answer
