"""Lets one of a worker's idle processes poll a queue while the others wait.

Amazon bills each long poll, however many processes wait for the same message.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Sequence

from .. import forks
from ..wakeup import Wakeup
from .intervals import USUAL, Intervals

_HOLDER, _LEASE_UNTIL = 0, 1
_BYTES = 8


class PollToken:
    """Allows one process of a worker to poll a queue. Must be made before the fork.

    The token is a byte in a pipe: the process that reads it holds the token, and
    releases it by writing the byte again. Shared memory has the holder's pid and the
    end of its lease (monotonic clock), so that another process can take over from one
    that has died. If two processes take over at the same time, both poll once, and the
    one that wrote its pid last releases the token.
    """

    def __init__(self, intervals: Intervals = USUAL) -> None:
        self._lost_after_s = intervals.token_lost_after_s
        self._late_s = intervals.token_late_s
        self._read_fd, self._write_fd = os.pipe()
        forks.own(self._read_fd, self._write_fd)
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        memory = memoryview(mmap.mmap(-1, 2 * _BYTES))
        self._holder = memory[:_BYTES].cast("q")
        self._lease_until_s = memory[_BYTES:].cast("d")
        #: When the poll of this process has to be over; None while it does not poll.
        self._answer_by_s: float | None = None
        self._hand_on()

    def acquire(self, timeout_s: float, poll_s: float, wakeup: Wakeup) -> bool:
        """Wait for the token.

        :param timeout_s: longest wait for the token, in seconds.
        :param poll_s: how long the poll may take, in seconds.
        :param wakeup: ends the wait when it is set.
        :returns: whether this process holds the token now.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            now_s = time.monotonic()
            if self._taken() or self._lease_until_s[0] <= now_s:
                self._answer_by_s = now_s + poll_s + self._late_s
                self._holder[0] = os.getpid()
                self._lease_until_s[0] = now_s + self._lost_after_s
                return True
            if now_s >= deadline_s:
                return False
            wait_s = min(deadline_s, self._lease_until_s[0]) - now_s
            if wakeup.wait(max(wait_s, 0.0), self._read_fd):
                return False

    def _taken(self) -> bool:
        try:
            return bool(os.read(self._read_fd, 1_024))
        except BlockingIOError:
            return False

    def tick(self) -> None:
        """Extend the lease if this process holds the token and its poll is not late."""
        now_s, answer_by_s = time.monotonic(), self._answer_by_s
        if answer_by_s is not None and now_s < answer_by_s and self._held:
            self._lease_until_s[0] = now_s + self._lost_after_s

    def release(self) -> None:
        """Release the token, unless another process has taken over."""
        self._answer_by_s = None
        if self._held:
            self._hand_on()

    @property
    def _held(self) -> bool:
        return self._holder[0] == os.getpid()

    def _hand_on(self) -> None:
        # The process that reads the byte has this long to write its pid.
        self._lease_until_s[0] = time.monotonic() + self._lost_after_s
        self._holder[0] = 0
        os.write(self._write_fd, b"!")


class Ticker(threading.Thread):
    """Extends the leases of a process's tokens in a thread of its own."""

    def __init__(self, tokens: Sequence[PollToken], tick_s: float) -> None:
        super().__init__(name="poll-token-ticker", daemon=True)
        self._tick_s = tick_s
        self._tokens = tokens
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def run(self) -> None:
        """Extend the leases once a second, until stopped."""
        while not self._stopping.wait(self._tick_s):
            for token in self._tokens:
                token.tick()
