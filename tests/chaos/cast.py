"""The processes on stage: each is started again whenever it was killed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from tests.helpers import wait_until
from tests.processes import Process, ProcessFailed


class Role:
    """A process that is to be there, whoever is killed.

    :param start: starts it.
    """

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self.process = start()

    def kill(self, chance: random.Random) -> str:
        """Kill it; what was killed, or nothing if nobody was alive."""
        return self._kill_process("web process")

    def revive(self) -> None:
        """Start it again, if it was killed.

        :raises ProcessFailed: it ended by itself.
        """
        status = self.process.exit_status
        if status is None:
            return
        if status != -signal.SIGKILL:
            raise ProcessFailed(
                f"{self.process.command} was not killed, and ended with {status}:\n"
                f"{self.process.output}"
            )
        self.process = self._start()

    def _kill_process(self, what: str) -> str:
        if self.process.exit_status is None:
            self.process.send_signal(signal.SIGKILL)
        return what if self.process.wait(10) == -signal.SIGKILL else ""


class WorkerRole(Role):
    """A supervisor and its children: one of them is killed, or all."""

    def __init__(self, start: Callable[[], Process]) -> None:
        super().__init__(start)
        self._orphans: list[int] = []

    def kill(self, chance: random.Random) -> str:
        children = self._children()
        who = chance.choice(["child", "child", "supervisor", "all"])
        if who == "child" and children:
            return self._kill_child(chance.choice(children))
        if who == "all":
            self.process.kill()
            return "whole worker"
        self._orphans += children
        return self._kill_process("supervisor")

    def orphans(self) -> list[int]:
        """The processes that still run without their supervisor."""
        self._orphans = [pid for pid in self._orphans if is_alive(pid)]
        return self._orphans

    def _kill_child(self, pid: int) -> str:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return ""
        wait_until(lambda: not is_alive(pid), what=f"{pid} is dead")
        return "worker process"

    def _children(self) -> list[int]:
        try:
            return [pid for pid in self.process.children if is_alive(pid)]
        except (FileNotFoundError, ProcessLookupError):
            return []


def is_alive(pid: int) -> bool:
    """Whether a process is there, and does not only wait to be buried."""
    # The program's name stands in parentheses, and may hold any character.
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] not in "ZX"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
