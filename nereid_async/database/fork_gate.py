"""Keeps threads out of what must not be cut in two by a fork.

A child has none of its parent's other threads, but what they were doing at the fork
stays as it was: a mutex of SQLite's held for ever, the socket of a connection that no
object knows yet. A child need not use SQLite to wait for that mutex: Python 3.10 closes
the connections of those threads in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ForkGate:
    """Lets threads do something side by side, but not while this process forks."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all other threads, as a child has to."""
        self._changed = threading.Condition()
        self._inside: set[int] = set()
        self._forking = 0

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Do something that no fork may fall into. May be nested."""
        thread = threading.get_ident()
        if thread in self._inside:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._inside.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._inside.discard(thread)
                self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """Let no other thread begin, and wait for those inside, up to a time.

        :returns: whether all of them have left.
        """
        own = {threading.get_ident()}
        with self._changed:
            self._forking += 1
            return self._changed.wait_for(lambda: self._inside <= own, timeout_s)

    def open(self) -> None:
        """Let threads go on."""
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()


#: For statements on SQLite, and for connecting with psycopg 3.
gate = ForkGate()
