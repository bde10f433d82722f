"""One storm: visitors ask, processes are killed, the queue's server goes and comes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.conftest import Commands
from tests.chaos import ledger
from tests.chaos.cast import Role, WorkerRole
from tests.chaos.visitors import Visitor
from tests.fixtures.services import TaskQueue
from tests.helpers import query, wait_until
from tests.processes import Process, free_port
from tests.servers import StoppableMinistack

VISITORS = 4
WEB_PROCESSES = 2
WORKERS = 2
#: The relay leaves rows alone for 10 s, and looks every 5 s; a message that was
#: forgotten is sent again after a minute.
SETTLE_S = 240


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
        self._calm = threading.Event()
        self._kills = 0
        self._outages = 0
        self._copies = 0

    def run(self) -> ledger.Numbers:
        """Rage until the plan is met, let everything settle, and count."""
        ports = [free_port() for _ in range(WEB_PROCESSES)]
        roles = [Role(self._web(port)) for port in ports]
        roles += [WorkerRole(self._worker) for _ in range(WORKERS)]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        visitors = [
            Visitor(f"v{n}", urls, self._begun, self._plan.seed, self._calm)
            for n in range(VISITORS)
        ]
        for visitor in visitors:
            visitor.start()
        wait_until(lambda: self._asked() > 0, 60, "the first task")
        while not self._is_enough():
            self._rage(roles)
        self._calm.set()
        for visitor in visitors:
            visitor.join()
        self._settle(roles)
        return ledger.read(self._database, self._begun, self._copies, self._kills)

    def _web(self, port: int) -> Callable[[], Process]:
        return lambda: self._commands.start(
            "waitress-serve",
            f"--listen=127.0.0.1:{port}",
            "--call",
            "tests.acceptance.web_app:create_app",
        )

    def _worker(self) -> Process:
        return self._commands.flask("worker", "--processes", "2", "--threads", "2")

    def _asked(self) -> int:
        return int(query(self._database, "SELECT count(*) FROM async_task")[0][0])

    def _is_enough(self) -> bool:
        plan = self._plan
        return (
            self._kills >= plan.kills
            and self._outages >= (plan.outages if self._sqs else 0)
            and self._asked() >= plan.tasks
        )

    def _rage(self, roles: list[Role]) -> None:
        # The moment is what is random here.
        self._calm.wait(self._chance.uniform(0.1, 1.2))
        if self._kills < self._plan.kills:
            self._kills += self._chance.choice(roles).kill(self._chance)
        for role in roles:
            role.revive()
        if self._sqs is not None:
            self._disturb(*self._sqs)

    def _disturb(self, server: StoppableMinistack, queue: TaskQueue) -> None:
        """Deliver some messages twice; now and then, take the server away."""
        rows = query(
            self._database,
            "SELECT message FROM async_task WHERE state <> 'pending' "
            "ORDER BY random() LIMIT 2",
        )
        for (message,) in rows:
            queue.put(message)
            self._copies += 1
        # Spread over the run.
        due = self._plan.tasks * (self._outages + 1) / (self._plan.outages + 1)
        if self._outages < self._plan.outages and self._asked() >= due:
            server.stop()
            self._calm.wait(self._chance.uniform(0.5, 2))
            server.start()
            self._outages += 1

    def _settle(self, roles: list[Role]) -> None:
        def settled() -> bool:
            for role in roles:
                role.revive()
            left = query(
                self._database,
                "SELECT count(*) FROM async_task WHERE state <> 'done'",
            )
            return left == [(0,)] and (self._sqs is None or self._sqs[1].left() == 0)

        wait_until(settled, SETTLE_S, "everything that was asked for is done")
