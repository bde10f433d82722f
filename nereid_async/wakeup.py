"""Wakeups: pipes by which another thread, or a signal, ends a wait."""

from __future__ import annotations

import math
import os
import select
import signal
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeAlias

from . import forks

Handler: TypeAlias = Callable[[int, FrameType | None], None]


def readable(timeout_s: float, *sources: Any) -> set[int]:
    """Wait until a source can be read; return the descriptors that can, maybe none.

    By ``poll()``, since ``select()`` takes no descriptor above 1,023.

    :param sources: file descriptors, or objects that have one.
    """
    poll = select.poll()
    for source in sources:
        poll.register(source, select.POLLIN)
    # Rounded up: less than a millisecond would become no wait at all.
    return {fd for fd, _ in poll.poll(math.ceil(max(timeout_s, 0.0) * 1_000))}


class Wakeup:
    """An event that ends waits for file descriptors, too; once set, it stays set.

    :ivar is_set: whether it was set.
    """

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        forks.own(self._read_fd, self._write_fd)
        # Closed with this object, when nobody can set it any more.
        ends = self._read_fd, self._write_fd
        self._finalizer = weakref.finalize(self, forks.close, *ends)
        self._finalizer.atexit = False
        self.is_set = False

    def set(self) -> None:
        """End the present wait and every later one.

        Safe in any thread and in a signal handler: it takes no lock, which the
        interrupted code might hold.
        """
        self.is_set = True
        os.write(self._write_fd, b"!")

    def wait(self, timeout_s: float, *others: Any) -> bool:
        """Wait until it is set, or one of the others can be read.

        :param others: file descriptors, or objects that have one.
        :returns: whether it is set.
        """
        return self._read_fd in readable(timeout_s, self._read_fd, *others)

    def close(self) -> None:
        """Close both ends of the pipe."""
        self._finalizer()


class SignalWakeup:
    """Ends a wait at each signal. Made by :func:`on_signals`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def wait(self, seconds: float) -> None:
        """Wait for the next signal, up to the given number of seconds."""
        if readable(seconds, self._fd):
            with suppress(BlockingIOError):
                os.read(self._fd, 1_024)


@contextmanager
def on_signals(handlers: Mapping[signal.Signals, Handler]) -> Iterator[SignalWakeup]:
    """Handle signals in the context, and end waits at each signal.

    Restores the former handlers. For the main thread only.
    """
    read_fd, write_fd = os.pipe()
    forks.own(read_fd, write_fd)
    os.set_blocking(write_fd, False)
    os.set_blocking(read_fd, False)
    before = {signum: signal.signal(signum, it) for signum, it in handlers.items()}
    wakeup_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield SignalWakeup(read_fd)
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        for signum, handler in before.items():
            signal.signal(signum, handler)
        forks.close(read_fd, write_fd)
