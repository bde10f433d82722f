"""What a process that a task forks does not share with its worker.

``multiprocessing`` and ``os.fork`` copy the worker: its signal handlers, descriptors
and connections. A child that used them would stop the worker, or talk on its session
with the database, so they are taken from it.
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

#: What a worker handles in its own way, and what Python does by itself.
_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
}

#: Descriptors of this process that its children are not to have.
_own: set[int] = set()


def own(*descriptors: int) -> None:
    """Let these descriptors be closed in children."""
    _own.update(descriptors)


def close(*descriptors: int) -> None:
    """Close what was given to :func:`own`, and has not been taken from a child."""
    for descriptor in _own.intersection(descriptors):
        _own.discard(descriptor)
        os.close(descriptor)


class AtFork(Protocol):
    """What else is to be done; each of them in the thread that forks."""

    def before(self) -> None:
        """Before the fork; followed by one of the others."""

    def in_parent(self) -> None:
        """After the fork."""

    def in_child(self) -> None:
        """After the fork, where there are no other threads any more."""


def free_children(connections: AtFork) -> None:
    """From now on, let processes that this one forks share nothing with it.

    Cannot be taken back: for a worker process.
    """
    worker_pid = os.getpid()
    local = threading.local()

    def before() -> None:
        # A signal that came before the child has its handlers would run ours.
        local.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFAULTS)
        # A child of a child has the handlers of that one.
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
    """End a child that was forked inside of this context and comes out of it.

    It would go on as the worker does: commit, and take the next task.

    :param what: who has forked it, for the log.
    """
    pid = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != pid:
            _end_child(what)


def _end_child(what: str) -> None:
    logger.critical(
        "%s: a process that it has forked came back from it, and is ended; end it by "
        "os._exit(), or use multiprocessing",
        what,
        exc_info=sys.exc_info()[0] is not None,
    )
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(1)


def end_daemons() -> None:
    """End the daemonic processes of multiprocessing, as Python does when it ends."""
    # Imported by those who use it only.
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None:
        for child in multiprocessing.active_children():
            if child.daemon:
                child.terminate()
