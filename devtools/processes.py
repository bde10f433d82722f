"""Servers and commands as processes that never outlive the test run."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: See ``prctl(2)``: the signal a process gets when its parent dies.
PR_SET_PDEATHSIG = 1


class ProcessFailed(Exception):
    """A process ended, or was not ready in time; the text holds its output."""


class Process:
    """A child process whose output is kept, and which dies with this process.

    Use it as a context manager: leaving it stops the process.

    :param command: program and arguments.
    :param log: file for what it writes to both of its streams.
    :param env: variables besides those of this process.
    :param user: account to run as, if another one.
    :param stop_signal: what asks the program to end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self.stop_signal = stop_signal
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                user=user,
                pass_fds=pass_fds,
                # A group of its own, so that it can be killed with its children.
                start_new_session=True,
                preexec_fn=_die_with_parent(stop_signal),
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._popen.pid

    @property
    def children(self) -> list[int]:
        """The numbers of the processes it has started; of Linux only."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    @property
    def exit_status(self) -> int | None:
        """The exit status, or None as long as it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """All it has written so far."""
        return self.log.read_text(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end.

        :return: the exit status.
        :raises ProcessFailed: it still runs; it is killed then.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessFailed(
                f"{self.command} did not end within {timeout_s} s:\n{self.output}"
            ) from None

    def wait_until(
        self, condition: Callable[[], bool], what: str, timeout_s: float = 30
    ) -> None:
        """Wait until a condition about the running process holds.

        :raises ProcessFailed: the process ended before, or it took too long.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.exit_status is not None:
                raise ProcessFailed(
                    f"{self.command} ended with {self.exit_status} before {what}:\n"
                    f"{self.output}"
                )
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.command}: not {what}:\n{self.output}")
            time.sleep(0.02)

    def wait_for_output(self, text: str, timeout_s: float = 30) -> None:
        """Wait until it has written a text."""
        self.wait_until(lambda: text in self.output, f"{text!r} in its log", timeout_s)

    def kill(self) -> None:
        """End it and its children at once, as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def stop(self, timeout_s: float = 10) -> None:
        """Ask it to end, and insist after a while."""
        if self._popen.poll() is not None:
            return
        self._popen.send_signal(self.stop_signal)
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()


def run(
    command: Sequence[str | Path],
    log: Path,
    *,
    timeout_s: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> str:
    """Run a command to its end.

    :return: its output.
    :raises ProcessFailed: it failed, or did not end in time.
    """
    with Process(command, log, env=env, cwd=cwd, user=user) as process:
        status = process.wait(timeout_s)
        if status:
            raise ProcessFailed(
                f"{process.command} ended with {status}:\n{process.output}"
            )
        return process.output


def script(name: str) -> Path:
    """The path of a command installed beside the running Python."""
    return Path(sys.executable).parent / name


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    # The kernel ends the child even when pytest is killed and can clean up nothing.
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def set_signal() -> None:
        prctl(PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != parent:
            os._exit(1)

    return set_signal
