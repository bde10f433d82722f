"""Tests that need no server and start no process, and are held to it: a plugin.

They are those in tests/unit. ``-m fast`` runs them alone.
"""

from __future__ import annotations

import _socket
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

#: What Python's audit hooks are told, by its first word, and what that is.
_FORBIDDEN = {
    "subprocess.Popen": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "os.exec": "starts a program",
    "os.system": "starts a process",
    "socket.connect": "connects to a server",
    "socket.listen": "listens",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fast: needs no server and starts no process (given by the folder)"
    )
    config.pluginmanager.register(Guard(), "nereid_async-fast")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is fast."""
    if item.path.parent.name == "unit":
        item.add_marker("fast")


class Forbidden(Exception):
    """What a fast test did that it may not."""


class Guard:
    """Fails a fast test that starts a process, or uses the network."""

    def __init__(self) -> None:
        self._watching = False
        self._others: set[int | None] = set()
        self._seen: list[str] = []
        # There is no way to take it out again.
        sys.addaudithook(self._audit)
        # Of which hooks are not told; and some bind who do not listen.
        audit = self._audit

        def listen(it: Any, *backlog: int) -> None:
            audit("socket.listen", (it,))
            _socket.socket.listen(it, *backlog)

        socket.socket.listen = listen  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Watch the fixtures of a test."""
        yield from self._watched(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Watch the test itself."""
        yield from self._watched(item)

    def _watched(self, item: pytest.Item) -> Iterator[None]:
        if item.get_closest_marker("fast") is None:
            return (yield)
        # What earlier tests have left running is not this one's.
        own = threading.get_ident()
        self._others = {thread.ident for thread in threading.enumerate()} - {own}
        self._seen.clear()
        self._watching = True
        try:
            return (yield)
        finally:
            self._watching = False
            # The test may have caught what it was told.
            if self._seen:
                raise Forbidden(self._seen[0])

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching or event not in _FORBIDDEN:
            return
        if threading.get_ident() in self._others:
            return
        told = f"a fast test {_FORBIDDEN[event]}: {event}{arguments[:2]!r}"
        self._seen.append(told)
        raise Forbidden(told)
