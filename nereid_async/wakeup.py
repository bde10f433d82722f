"""What ends a wait: by another thread, once and for all, or by each signal."""

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
    """Becomes readable when it is set, and stays so.

    :ivar is_set: whether it was.
    """

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        forks.own(self._read_fd, self._write_fd)
        # Not before nobody can set it any more.
        ends = self._read_fd, self._write_fd
        self._finalizer = weakref.finalize(self, forks.close, *ends)
        self._finalizer.atexit = False
        self.is_set = False

    def set(self) -> None:
        """End the wait, and every later one.

        From any thread, and from a signal handler: it takes no lock, which the code
        that was interrupted might hold.
        """
        self.is_set = True
        os.write(self._write_fd, b"!")

    def wait(self, timeout_s: float, *others: Any) -> bool:
        """Wait until it is set, or one of the others can be read; whether it was set.

        :param others: file descriptors, or objects that have one.
        """
        return self._read_fd in readable(timeout_s, self._read_fd, *others)

    def close(self) -> None:
        """Let go of both ends."""
        self._finalizer()


class SignalWakeup:
    """Becomes readable when a signal has come. Made by :func:`on_signals`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def wait(self, seconds: float) -> None:
        """Wait for the next signal, or until the time is over."""
        if readable(seconds, self._fd):
            with suppress(BlockingIOError):
                os.read(self._fd, 1_024)


@contextmanager
def on_signals(handlers: Mapping[signal.Signals, Handler]) -> Iterator[SignalWakeup]:
    """Handle signals, and end a wait at each; as before at the end of the context.

    In the main thread only.
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
