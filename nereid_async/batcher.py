"""Collects things and hands them on in batches, in a thread of its own."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Batcher(Generic[T]):
    """Thread-safe. The thread starts at the first thing, also after a fork.

    What is left is handed on when Python ends; what a kill takes along is lost.

    :param name: of the thread.
    :param handle: takes what was collected; is not to raise, for what it was given
        is lost then.
    :param pause_s: how long to collect, in seconds.
    :param enough: when there are so many, they are handed on at once.
    :param at_exit: called when Python ends, in place of :meth:`flush`.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[list[T]], None],
        pause_s: float,
        enough: int | None = None,
        at_exit: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._handle = handle
        self._pause_s = pause_s
        self._enough = enough
        self._at_exit = at_exit or self.flush
        self._lock = threading.Lock()
        self._handling = threading.Lock()
        self._things: list[T] = []
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._closed = False
        self._pid = 0

    def add(self, things: Iterable[T]) -> None:
        """Hand these on soon. Never raises, never waits."""
        with self._lock:
            if self._pid != os.getpid():
                self._begin()
            self._things += things
            if self._enough is not None and len(self._things) >= self._enough:
                self._hurry.set()
        self._wake.set()

    def _begin(self) -> None:
        self._pid = os.getpid()
        # What was collected before a fork is the parent's to hand on.
        self._things = []
        self._handling = threading.Lock()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        threading.Thread(target=self._run, name=self._name, daemon=True).start()
        atexit.register(self._at_exit)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait()
            # What comes in the meantime goes with it.
            self._hurry.wait(self._pause_s)
            self._wake.clear()
            self._hurry.clear()
            self.flush()

    def flush(self) -> None:
        """Hand on now what has been collected, and see that done. Never raises."""
        if self._pid != os.getpid():
            return
        with self._handling:
            with self._lock:
                things, self._things = self._things, []
            if not things:
                return
            try:
                self._handle(things)
            except BaseException:
                # Without its thread, what comes next would wait for ever.
                logger.exception("%s: %d thing(s) are lost", self._name, len(things))

    def close(self) -> None:
        """Hand on what is left, and end the thread. Never raises."""
        self._closed = True
        self._hurry.set()
        self._wake.set()
        self.flush()
        atexit.unregister(self._at_exit)
