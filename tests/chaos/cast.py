"""The processes on stage: each is started again whenever it was killed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.processes import Process


class Role:
    """A process that is to be there, whoever is killed.

    :param start: starts it.
    """

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self.process = start()

    def kill(self, chance: random.Random) -> bool:
        """Kill it; whether there was somebody to kill."""
        return _kill(self.process.pid) if self.alive else False

    @property
    def alive(self) -> bool:
        return self.process.exit_status is None

    def revive(self) -> None:
        """Start it again, if it is not there."""
        if not self.alive:
            self.process = self._start()


class WorkerRole(Role):
    """A supervisor and its children: one of them is killed, or all."""

    def kill(self, chance: random.Random) -> bool:
        if not self.alive:
            return False
        children = self._children()
        who = chance.choice(["child", "child", "supervisor", "all"])
        if who == "child" and children:
            return _kill(chance.choice(children))
        if who == "all":
            return _kill(-self.process.pid)
        return _kill(self.process.pid)

    def _children(self) -> list[int]:
        pid = self.process.pid
        try:
            return [
                int(word)
                for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            ]
        except OSError:
            return []


def _kill(pid: int) -> bool:
    """Kill a process, or a group if negative; whether it was there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
