"""One storm: visitors ask, processes are killed, the queue's server goes and comes."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.chaos import ledger
from tests.chaos.cast import Role, WorkerRole
from tests.chaos.visitors import Visitor
from tests.fixtures.services import TaskQueue
from tests.helpers import query
from tests.processes import Process, free_port
from tests.servers import StoppableMinistack

VISITORS = 4
WEB_PROCESSES = 2
WORKERS = 2
#: Visitors wait while that many tasks do: so kills come while there is work.
BACKLOG_TASKS = 80
#: The relay leaves rows alone for 10 s, and looks every 5 s; a message that was
#: forgotten is sent again after a minute.
SETTLE_S = 240
#: How long no task may run while there is work: longer than a message is forgotten.
STANDSTILL_S = 120
#: Longer than the time of grace of a worker that is told to stop.
STOP_S = 40


@dataclass(frozen=True)
class Plan:
    """How much there is to be of everything, at least.

    :ivar outages: how often the queue's server is stopped and started.
    """

    tasks: int
    kills: int
    outages: int
    seed: int


class Storm:
    """Runs a plan.

    :param sqs: the queue's server, and what is in the queue; None without one.
    """

    def __init__(
        self,
        plan: Plan,
        commands: Commands,
        begun: Path,
        sqs: tuple[StoppableMinistack, TaskQueue] | None,
    ) -> None:
        self._plan = plan
        self._commands = commands
        self._database = commands.database
        self._begun = begun
        self._sqs = sqs
        self._chance = random.Random(plan.seed)
        self._room = threading.Event()
        self._calm = threading.Event()
        # By the work done, not by the clock: all through the run on any machine.
        self._kills_due = self._moments(plan.kills)
        self._outages_due = self._moments(plan.outages if sqs else 0)
        self._killed: Counter[str] = Counter()
        self._effects_seen = 0
        self._moved_at_s = time.monotonic()
        self._copies = 0
        #: How it went, in a line; see :meth:`run`.
        self.story = ""

    def run(self) -> ledger.Numbers:
        """Rage until the plan is met, let everything settle, and count."""
        ports = [free_port() for _ in range(WEB_PROCESSES)]
        workers = [WorkerRole(self._worker) for _ in range(WORKERS)]
        roles: list[Role] = [*workers, *(Role(self._web(port)) for port in ports)]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        visitors = [
            Visitor(f"v{n}", urls, self._begun, self._plan.seed, self._room, self._calm)
            for n in range(VISITORS)
        ]
        for visitor in visitors:
            visitor.start()
        began_s = time.monotonic()
        try:
            while not self._is_enough():
                self._rage(roles)
        finally:
            self._calm.set()
            for visitor in visitors:
                visitor.join()
        raged_s = time.monotonic()
        self._settle(roles, workers)
        settled_s = time.monotonic()
        kills = self._killed.total()
        self.story = (
            f"--chaos-seed={self._plan.seed}: {raged_s - began_s:.0f} s of storm, "
            f"{settled_s - raged_s:.0f} s until all was done; killed "
            + ", ".join(f"{n} x {what}" for what, n in sorted(self._killed.items()))
        )
        return ledger.read(self._database, self._begun, self._copies, kills)

    def _moments(self, number: int) -> list[int]:
        # Each is due when so many tasks have had their effect.
        return sorted(self._chance.randrange(self._plan.tasks) for _ in range(number))

    def _web(self, port: int) -> Callable[[], Process]:
        return lambda: self._commands.start(
            "waitress-serve",
            f"--listen=127.0.0.1:{port}",
            "--call",
            "tests.acceptance.web_app:create_app",
        )

    def _worker(self) -> Process:
        return self._commands.flask("worker", "--processes", "2", "--threads", "2")

    def _count(self, table: str) -> int:
        return int(query(self._database, f"SELECT count(*) FROM {table}")[0][0])

    def _effects(self) -> int:
        return self._count("async_test_entry")

    def _is_enough(self) -> bool:
        if self._kills_due or self._outages_due:
            return False
        return self._effects() >= self._plan.tasks

    def _rage(self, roles: list[Role]) -> None:
        # The moment is what is random here.
        self._calm.wait(self._chance.uniform(0.1, 1.2))
        effects = self._effects()
        self._see_that_it_moves(effects)
        if self._count("async_task") - effects < BACKLOG_TASKS:
            self._room.set()
        else:
            self._room.clear()
        if self._kills_due and effects >= self._kills_due[0]:
            if killed := self._chance.choice(roles).kill(self._chance):
                self._killed[killed] += 1
                del self._kills_due[0]
        for role in roles:
            role.revive()
        if self._sqs is not None:
            self._disturb(effects, *self._sqs)

    def _see_that_it_moves(self, effects: int) -> None:
        now_s = time.monotonic()
        if effects > self._effects_seen:
            self._effects_seen, self._moved_at_s = effects, now_s
        if now_s - self._moved_at_s > STANDSTILL_S:
            pytest.fail(f"no task has run for {STANDSTILL_S} s, after {effects}")

    def _disturb(
        self, effects: int, server: StoppableMinistack, queue: TaskQueue
    ) -> None:
        """Deliver some messages twice; now and then, take the server away."""
        rows = query(
            self._database,
            "SELECT message FROM async_task WHERE state <> 'pending' "
            "ORDER BY random() LIMIT 2",
        )
        for (message,) in rows:
            queue.put(message)
            self._copies += 1
        if self._outages_due and effects >= self._outages_due[0]:
            del self._outages_due[0]
            server.stop()
            self._calm.wait(self._chance.uniform(0.5, 2))
            server.start()

    def _settle(self, roles: list[Role], workers: list[WorkerRole]) -> None:
        """Wait until nothing is left that could still have an effect."""
        deadline_s = time.monotonic() + SETTLE_S
        while left := self._left(workers):
            if time.monotonic() > deadline_s:
                pytest.fail(f"after {SETTLE_S} s there are still {left}")
            for role in roles:
                role.revive()
            time.sleep(0.1)
        for role in roles:
            role.process.stop(STOP_S)

    def _left(self, workers: list[WorkerRole]) -> str:
        tasks = query(
            self._database,
            "SELECT state, count(*) FROM async_task "
            "WHERE state NOT IN ('done', 'failed') GROUP BY state",
        )
        if tasks:
            return f"tasks: {dict(tasks)}"
        if orphans := [pid for worker in workers for pid in worker.orphans()]:
            return f"processes without their supervisor: {orphans}"
        messages = self._sqs[1].left() if self._sqs is not None else 0
        return f"messages: {messages}" if messages else ""
