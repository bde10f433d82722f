"""A bell that rings in a process when a signal has come."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeAlias

from .. import forks
from ..wakeup import readable

Handler: TypeAlias = Callable[[int, FrameType | None], None]


class Bell:
    """Becomes readable when a signal has come. Made by :func:`bell`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def wait(self, seconds: float) -> None:
        """Wait for the next signal, or until the time is over."""
        if readable(seconds, self._fd):
            with suppress(BlockingIOError):
                os.read(self._fd, 1_024)


@contextmanager
def bell(handlers: Mapping[signal.Signals, Handler]) -> Iterator[Bell]:
    """Handle signals, and ring for each; as before at the end of the context.

    In the main thread only.
    """
    read_fd, write_fd = os.pipe()
    forks.own(read_fd, write_fd)
    os.set_blocking(write_fd, False)
    os.set_blocking(read_fd, False)
    before = {signum: signal.signal(signum, it) for signum, it in handlers.items()}
    wakeup_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield Bell(read_fd)
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        for signum, handler in before.items():
            signal.signal(signum, handler)
        forks.close(read_fd, write_fd)
