"""Child processes of the demo: start, watch, and stop them in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence

HOST = "127.0.0.1"
STEP_S = 0.1


class ChildDied(Exception):
    """A child ended by itself."""


class Children:
    """Child processes that live and end together.

    A child has a process group of its own, so that Ctrl-C in the terminal reaches
    the parent only, which then stops the children one after the other.

    :param stop: set by a signal handler; every wait ends when it is set.
    """

    def __init__(self, environment: Mapping[str, str], stop: threading.Event) -> None:
        self._environment = {**os.environ, **environment}
        self._stop = stop
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a child.

        :param name: how messages call it.
        """
        self._running[name] = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_for_end(self, name: str) -> None:
        """Wait until a child has done its work, or until the stop.

        :raises ChildDied: it ended with an error.
        """
        while not self._stop.is_set():
            status = self._running[name].poll()
            if status == 0:
                del self._running[name]
                return
            self.check()
            self._stop.wait(STEP_S)

    def wait_for_port(self, port: int) -> None:
        """Wait until somebody listens on a port of this machine, or until the stop.

        :raises ChildDied: a child ended meanwhile.
        """
        while not self._stop.is_set() and not _is_open(port):
            self.check()
            self._stop.wait(STEP_S)

    def watch(self) -> None:
        """Wait for the stop.

        :raises ChildDied: a child ended before.
        """
        while not self._stop.wait(STEP_S):
            self.check()

    def check(self) -> None:
        """
        :raises ChildDied: one of them has ended.
        """
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                raise ChildDied(f"The {name} ended by itself ({_describe(status)}).")

    def stop(self, within_s: float, hurry: threading.Event) -> None:
        """End all, one after the other, the last one started first.

        :param within_s: what is still there after this time is killed.
        :param hurry: when set, kill at once.
        """
        deadline = time.monotonic() + within_s
        for name, process in reversed(self._running.items()):
            if process.poll() is None:
                process.terminate()
            else:  # It died, and may have left children of its own behind.
                _signal_group(process, signal.SIGTERM)
            while _group_lives(process) and time.monotonic() < deadline:
                if hurry.wait(STEP_S):
                    break
            if _group_lives(process):
                print(f"The {name} did not stop in time: killed.", flush=True)
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._running.clear()


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process, or a child it has left behind, is still there."""
    return process.poll() is None or _signal_group(process, 0)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Signal the process with its children; False if none of them is there."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _describe(status: int) -> str:
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"


def _is_open(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(STEP_S)
        return client.connect_ex((HOST, port)) == 0


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of this machine."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        port: int = server.getsockname()[1]
        return port
