"""Separates processes that a task forks from their worker.

``multiprocessing`` and ``os.fork`` copy the worker with its signal handlers, file
descriptors and connections. A child that used them could stop the worker, or send
statements on its database session, so the child gets rid of them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

logger = logging.getLogger(__name__)

#: Signals that a worker handles, and Python's default handlers of them.
_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
}

#: Descriptors of this process that are closed in its children.
_own: set[int] = set()


def own(*descriptors: int) -> None:
    """Register descriptors that are to be closed in children."""
    _own.update(descriptors)


def close(*descriptors: int) -> None:
    """Close descriptors that were registered with :func:`own`, where still open."""
    for descriptor in _own.intersection(descriptors):
        _own.discard(descriptor)
        os.close(descriptor)


class AtFork(Protocol):
    """Further steps around a fork, called in the thread that forks."""

    def before(self) -> None:
        """Called before the fork; one of the others follows."""

    def in_parent(self) -> None:
        """Called in the parent after the fork."""

    def in_child(self) -> None:
        """Called in the child after the fork; it has no other threads."""


def free_children(connections: AtFork) -> None:
    """Free every child that this process forks from now on. Cannot be undone.

    For worker processes.

    :param connections: steps for the database connections.
    """
    worker_pid = os.getpid()
    local = threading.local()

    def before() -> None:
        # Blocked until the child has its own handlers: it would run ours.
        local.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFAULTS)
        # Not for a child's own children, which have the child's handlers.
        local.of_worker = os.getpid() == worker_pid
        if local.of_worker:
            connections.before()

    def in_parent() -> None:
        if local.of_worker:
            connections.in_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, local.mask)

    def in_child() -> None:
        try:
            if local.of_worker:
                _free()
                connections.in_child()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, local.mask)

    os.register_at_fork(
        before=before, after_in_parent=in_parent, after_in_child=in_child
    )


def _free() -> None:
    signal.set_wakeup_fd(-1)
    for signum, handler in _DEFAULTS.items():
        signal.signal(signum, handler)
    while _own:
        with suppress(OSError):
            os.close(_own.pop())


@contextmanager
def kept_inside(what: str) -> Iterator[None]:
    """End a child that was forked inside the context and leaves it.

    It would go on as the worker: commit, and claim the next task.

    :param what: the code that forks, for the log.
    """
    pid = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != pid:
            _end_child(what)


def _end_child(what: str) -> None:
    logger.critical(
        "%s: a process that it has forked returned from it, and is ended; end it by "
        "os._exit(), or use multiprocessing",
        what,
        exc_info=sys.exc_info()[0] is not None,
    )
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(1)


def end_daemons() -> None:
    """End the daemonic processes of multiprocessing, as Python does at its exit."""
    # Looked up, not imported: most processes do not use it.
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None:
        for child in multiprocessing.active_children():
            if child.daemon:
                child.terminate()
