"""The processes on stage: each is started again whenever it was killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from devtools.processes import Process, ProcessFailed
from tests.helpers import wait_until

#: A process that young may not have come up yet.
START_S = 15.0


class Role:
    """A process that is to be there, whoever is killed.

    :param start: starts it.
    """

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self.process = start()
        self._started_s = time.monotonic()

    def kill(self, chance: random.Random, only_replaced: bool = False) -> str:
        """Kill it; what was killed, or nothing if nobody was alive.

        :param only_replaced: only what something else starts again.
        """
        return "" if only_replaced else self._kill_process("web process killed")

    def revive(self, outage_s: float) -> bool:
        """Start it again, if it was killed; whether it had given up to start.

        :param outage_s: when, by the monotonic clock, the database went the last time:
            what was starting then may have given up.
        :raises ProcessFailed: it ended by itself.
        """
        status = self.process.exit_status
        if status is None:
            return False
        gave_up = status != -signal.SIGKILL
        if gave_up and self._started_s < outage_s - START_S:
            raise ProcessFailed(
                f"{self.process.command} was not killed, and ended with {status}:\n"
                f"{self.process.output}"
            )
        self.process = self._start()
        self._started_s = time.monotonic()
        return gave_up

    def _kill_process(self, what: str) -> str:
        if self.process.exit_status is None:
            self.process.send_signal(signal.SIGKILL)
        return what if self.process.wait(10) == -signal.SIGKILL else ""


class WorkerRole(Role):
    """A supervisor and its children: one of them is killed, or all."""

    def __init__(self, start: Callable[[], Process]) -> None:
        super().__init__(start)
        self._orphans: list[int] = []

    def kill(self, chance: random.Random, only_replaced: bool = False) -> str:
        children = self.children()
        who = chance.choice(["child", "child", "supervisor", "all"])
        if children and (only_replaced or who == "child"):
            return self._kill_child(chance.choice(children))
        if only_replaced:
            return ""
        if who == "all":
            self.process.kill()
            return "whole worker killed"
        self._orphans += children
        return self._kill_process("supervisor killed")

    def orphans(self) -> list[int]:
        """The processes that still run without their supervisor."""
        self._orphans = [pid for pid in self._orphans if is_alive(pid)]
        return self._orphans

    def children(self) -> list[int]:
        """The processes that run tasks."""
        try:
            return [pid for pid in self.process.children if is_alive(pid)]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def _kill_child(self, pid: int) -> str:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return ""
        wait_until(lambda: not is_alive(pid), what=f"{pid} is dead")
        return "worker process killed"


def is_alive(pid: int) -> bool:
    """Whether a process is there, and is no zombie."""
    # The program's name stands in parentheses, and may hold any character.
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] not in "ZX"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
