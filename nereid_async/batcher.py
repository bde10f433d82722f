"""Collects items and handles them in batches, in a thread of its own."""

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
    """Collects items and handles them in batches. Thread-safe.

    The thread starts with the first item, also after a fork. Remaining items are
    handled when Python exits; a killed process loses them.

    :param name: name of the thread.
    :param handle: handles a batch. It must not raise: its batch would be lost.
    :param pause_s: how long items are collected, in seconds.
    :param enough: number of items that are handled without waiting; None for any.
    :param at_exit: called when Python exits; None for :meth:`flush`.
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
        """Add items, which are handled soon. Never waits.

        :raises RuntimeError: the thread cannot be started, since Python is exiting.
        """
        with self._lock:
            if self._pid != os.getpid():
                self._begin()
            self._things += things
            if self._enough is not None and len(self._things) >= self._enough:
                self._hurry.set()
        self._wake.set()

    def _begin(self) -> None:
        self._pid = os.getpid()
        # Items collected before a fork are handled by the parent.
        self._things = []
        self._handling = threading.Lock()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        threading.Thread(target=self._run, name=self._name, daemon=True).start()
        atexit.register(self._at_exit)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait()
            # Items that come during the pause join the batch.
            self._hurry.wait(self._pause_s)
            self._wake.clear()
            self._hurry.clear()
            self.flush()

    def flush(self) -> None:
        """Handle the collected items before returning. Never raises."""
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
                # The thread must go on: later items would wait for ever.
                logger.exception("%s: %d thing(s) are lost", self._name, len(things))

    def close(self) -> None:
        """Handle the remaining items and end the thread. Never raises."""
        self._closed = True
        self._hurry.set()
        self._wake.set()
        self.flush()
        atexit.unregister(self._at_exit)
