"""Ends the waits of a process, once and for all."""

from __future__ import annotations

import math
import os
import select
import weakref
from typing import Any

from . import forks


def readable(timeout_s: float, *sources: Any) -> set[int]:
    """Wait until one of these can be read; the descriptors that can, maybe none.

    Not by ``select()``, which takes no descriptor above 1,023: a process may have many.

    :param sources: file descriptors, or objects that have one.
    """
    poll = select.poll()
    for source in sources:
        poll.register(source, select.POLLIN)
    # Rounded up: a wait of less than a millisecond would be none.
    return {fd for fd, _ in poll.poll(math.ceil(max(timeout_s, 0.0) * 1_000))}


class Wakeup:
    """What becomes readable when it is rung, and stays so.

    :ivar rung: whether it was.
    """

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        forks.own(self._read_fd, self._write_fd)
        # Not before nobody can ring it any more.
        ends = self._read_fd, self._write_fd
        self._finalizer = weakref.finalize(self, forks.close, *ends)
        self._finalizer.atexit = False
        self.rung = False

    def ring(self) -> None:
        """End the wait, and every later one.

        From any thread, and from a signal handler: it takes no lock, which the code
        that was interrupted might hold.
        """
        self.rung = True
        os.write(self._write_fd, b"!")

    def wait(self, timeout_s: float, *others: Any) -> bool:
        """Wait until it rings, or one of the others can be read; whether it rang.

        :param others: file descriptors, or objects that have one.
        """
        return self._read_fd in readable(timeout_s, self._read_fd, *others)

    def close(self) -> None:
        """Let go of both ends."""
        self._finalizer()
