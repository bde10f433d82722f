"""The process that serves a worker's health and metrics.

It is a process and not a thread of the parent, since the parent forks: a thread of it
might hold a lock at that time, which would stay locked in the child.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from ..metrics.families import INSTALL
from .child import HELD, NOW
from .health_state import HealthState
from .http_server import Metrics, Server, url_of

logger = logging.getLogger(__name__)

#: How long a process that has ended by itself is not replaced.
_PAUSE_S = 5.0


class HttpProcess:
    """Starts the process, replaces it and ends it; in the parent of the workers.

    :param listener: socket that listens.
    :param make_metrics: called in the process; returns what ``/metrics`` serves, None
        if prometheus-client is missing.
    :param orphaned: called in the process when its parent has died.
    """

    def __init__(
        self,
        listener: socket.socket,
        health: HealthState,
        make_metrics: Callable[[], Metrics | None],
        orphaned: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._health = health
        self._make_metrics = make_metrics
        self._orphaned = orphaned
        self._parent_pid = os.getpid()
        self._pid: int | None = None
        self._due_at_s = 0.0

    @property
    def url(self) -> str:
        """The URL under which it answers."""
        return url_of(self._listener)

    def start_due(self) -> None:
        """Start the process, unless it runs or has ended a moment ago."""
        if self._pid is not None or time.monotonic() < self._due_at_s:
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            pid = os.fork()
            if pid == 0:
                os._exit(self._run())
            self._pid = pid
        except OSError as error:
            logger.error("the process for HTTP cannot be started: %s", error)
            self._due_at_s = time.monotonic() + _PAUSE_S
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)

    def ended(self, pid: int) -> None:
        """Note that a process has ended, if it is this one."""
        if pid == self._pid:
            logger.error("the process for HTTP has ended: it is replaced")
            self._pid = None
            self._due_at_s = time.monotonic() + _PAUSE_S

    def leave(self) -> None:
        """Close the socket in a worker process, which would keep the port."""
        self._listener.close()

    def end(self) -> None:
        """End the process and free the port."""
        self._listener.close()
        if self._pid is not None:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, NOW)
                os.waitpid(self._pid, 0)
            self._pid = None

    def _run(self) -> int:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # It answers until the last task has ended: its parent ends it.
            for signum in (signal.SIGINT, signal.SIGTERM):
                signal.signal(signum, lambda signum, frame: None)
            signal.signal(NOW, lambda signum, frame: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
            server = Server(
                self._listener,
                self._health,
                self._make_metrics(),
                INSTALL,
                self._end_with_parent,
            )
            server.serve_forever()
        except BaseException:
            logger.critical("the process for HTTP failed", exc_info=True)
        finally:
            with suppress(Exception):
                sys.stderr.flush()
        return 1

    def _end_with_parent(self) -> None:
        if os.getppid() != self._parent_pid:
            self._orphaned()
            os._exit(1)
