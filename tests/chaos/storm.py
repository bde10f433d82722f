"""One storm: visitors ask, processes are killed, servers go and come."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from trytond.modules.async_test.chaos import ORDERED_QUEUE

from devtools.processes import Process, free_port, listens
from devtools.proxy import Proxy
from devtools.servers import StoppableMinistack
from tests.acceptance.conftest import Commands
from tests.chaos import ledger, outages
from tests.chaos.cast import Role, WorkerRole
from tests.chaos.database import Away, Database
from tests.chaos.numbers import Event, Numbers
from tests.chaos.outages import Outage, Outages
from tests.chaos.visitors import Visitor
from tests.fixtures.services import TaskQueue

VISITORS = 4
WEB_PROCESSES = 2
WORKERS = 2
PROCESSES = 2
THREADS = 2
#: Visitors wait while that many tasks do: so kills come while there is work.
BACKLOG_TASKS = 80
#: The relay leaves rows alone for 10 s, and looks every 5 s; a message that was
#: forgotten is sent again after a minute.
SETTLE_S = 240
#: A batch whose last member ended unnoticed is found by a sweep, some seconds after.
SWEEP_S = 60
#: How long no task may run while there is work: longer than a message is forgotten.
STANDSTILL_S = 120
#: Longer than the shutdown grace of a worker that is told to stop.
STOP_S = 40


@dataclass(frozen=True)
class Plan:
    """How much there is to be of everything, at least.

    :ivar outages: how often something around the tasks goes wrong.
    :ivar lease_s: how long a claim holds without a heartbeat.
    """

    tasks: int
    kills: int
    outages: int
    seed: int
    lease_s: float


@dataclass(frozen=True)
class Sqs:
    """The queues' server, the way to it, and what is in the queues."""

    server: StoppableMinistack
    proxy: Proxy
    queue: TaskQueue
    ordered: TaskQueue

    def put(self, queue: str, group: str | None, text: str) -> None:
        """Put a message into the queue that it is of."""
        (self.ordered if queue == ORDERED_QUEUE else self.queue).put(text, group)

    def left(self) -> int:
        """How many messages the queues still hold."""
        return self.queue.left() + self.ordered.left()


class Storm:
    """Runs a plan.

    :param begun: file in which runs of tasks leave a line.
    :param sqs: None with the broker ``database``.
    """

    def __init__(
        self,
        plan: Plan,
        commands: Commands,
        database: Database,
        begun: Path,
        sqs: Sqs | None,
    ) -> None:
        self._plan = plan
        self._commands = commands
        self._database = database
        self._begun = begun
        self._sqs = sqs
        self._chance = random.Random(plan.seed)
        self._room = threading.Event()
        self._calm = threading.Event()
        self._effects = 0
        self._moved_at_s = time.monotonic()
        self._copies = 0
        self._ports = [free_port() for _ in range(WEB_PROCESSES)]
        self._workers = [WorkerRole(self._worker) for _ in range(WORKERS)]
        self._web_roles = [Role(self._web(port)) for port in self._ports]
        self._roles = [*self._workers, *self._web_roles]
        # By the work done, not by the clock: all through the run on any machine.
        self._kills_due = self._moments(plan.kills)
        due = self._moments(plan.outages)
        self._outages = Outages(self._kinds(), due, self._chance)
        self._kills: list[Event] = []
        self._given_up = 0

    def run(self) -> tuple[Numbers, list[str]]:
        """Rage until the plan is met, let everything settle, and count.

        :return: what came of it, and lines that tell how it went.
        """
        urls = [f"http://127.0.0.1:{port}" for port in self._ports]
        visitors = [
            Visitor(f"v{n}", urls, self._begun, self._plan.seed, self._room, self._calm)
            for n in range(VISITORS)
        ]
        for visitor in visitors:
            visitor.start()
        began_s = time.monotonic()
        try:
            while not self._is_enough():
                self._rage()
        finally:
            self._outages.end()
            self._calm.set()
            for visitor in visitors:
                visitor.join()
        raged_s = time.monotonic()
        self._settle()
        settled_s = time.monotonic()
        numbers = replace(
            self._read(visitors),
            outages=len(self._outages.events),
            threads_lost=self._threads_lost(visitors[0]),
        )
        self._stop()
        story = [
            f"{raged_s - began_s:.0f} s of storm, {settled_s - raged_s:.0f} s until "
            f"all was done, {self._given_up} x could not start meanwhile",
            *ledger.recoveries(self._database, [*self._kills, *self._outages.events]),
        ]
        return numbers, story

    def _read(self, visitors: Sequence[Visitor]) -> Numbers:
        asked = frozenset[str]().union(*(it.cancels_asked for it in visitors))
        found = tuple(pair for it in visitors for pair in it.cancels_found)
        return ledger.read(
            self._database,
            self._begun,
            self._copies,
            len(self._kills),
            ledger.Cancels(asked, found),
        )

    def _moments(self, number: int) -> list[int]:
        # Each is due when so many tasks have had their effect.
        return sorted(self._chance.randrange(self._plan.tasks) for _ in range(number))

    def _kinds(self) -> list[Outage]:
        kinds = [
            *outages.of_database(self._database),
            *outages.of_workers(self._workers, self._chance, self._plan.lease_s),
            *outages.of_queues(self._commands),
        ]
        if self._sqs is not None:
            sqs = self._sqs
            kinds += outages.of_sqs(sqs.server, sqs.proxy, self._chance)
        return kinds

    def _web(self, port: int) -> Callable[[], Process]:
        return lambda: self._commands.start(
            "waitress-serve",
            f"--listen=127.0.0.1:{port}",
            "--call",
            "tests.acceptance.web_app:create_app",
        )

    def _worker(self) -> Process:
        return self._commands.flask(
            "worker",
            f"--processes={PROCESSES}",
            f"--threads={THREADS}",
            "--queue=trytond-async",
            f"--queue={ORDERED_QUEUE}",
        )

    def _is_enough(self) -> bool:
        return (
            not self._kills_due
            and self._outages.over
            and self._effects >= self._plan.tasks
        )

    def _rage(self) -> None:
        # The moment is what is random here.
        self._calm.wait(self._chance.uniform(0.1, 1.2))
        with suppress(Away):
            self._look()
        self._kill_if_due()
        if not self._outages.of_database:
            self._revive()
        if self._sqs is not None and self._outages.now is None:
            with suppress(Away):
                self._copy_messages(self._sqs)
        ended = self._outages.go_on(self._effects)
        if ended is not None and ended.spoils_web:
            for web in self._web_roles:
                web.process.kill()

    def _look(self) -> None:
        """See how much is done, whether it goes on, and whether there is room."""
        now_s = time.monotonic()
        effects = self._database.count("async_test_entry")
        if effects > self._effects:
            self._effects, self._moved_at_s = effects, now_s
        if now_s - self._moved_at_s > STANDSTILL_S:
            pytest.fail(f"no task has run for {STANDSTILL_S} s, after {effects}")
        waiting = "async_task WHERE state NOT IN ('done', 'failed', 'cancelled')"
        if self._database.count(waiting) < BACKLOG_TASKS:
            self._room.set()
        else:
            self._room.clear()

    def _kill_if_due(self) -> None:
        if not self._kills_due or self._effects < self._kills_due[0]:
            return
        role = self._chance.choice(self._roles)
        if killed := role.kill(self._chance, self._outages.of_database):
            self._kills.append(Event(killed, time.time()))
            del self._kills_due[0]

    def _revive(self) -> None:
        for role in self._roles:
            self._given_up += role.revive(self._outages.database_went_s)

    def _copy_messages(self, sqs: Sqs) -> None:
        """Deliver some messages twice."""
        messages = self._database.query(
            "SELECT queue, group_name, message FROM async_task "
            "WHERE state <> 'pending' ORDER BY random() LIMIT 2"
        )
        for queue, group, text in messages:
            sqs.put(queue, group, text)
            self._copies += 1

    def _settle(self) -> None:
        """Wait until nothing is left that could still have an effect."""
        began_s = quiet_s = time.monotonic()
        while True:
            # Before the tasks: the end of a batch makes some.
            batches = self._open_batches()
            left, now_s = self._left(), time.monotonic()
            if left:
                quiet_s = now_s
                if now_s - began_s > SETTLE_S:
                    pytest.fail(f"after {SETTLE_S} s there are still {left}")
            elif not batches or now_s - quiet_s > SWEEP_S:
                return
            self._revive()
            time.sleep(0.1)

    def _open_batches(self) -> str:
        """Those that have not ended; what they were to call has never run then."""
        number = self._database.count("async_batch WHERE state = 'running'")
        return f"batches: {number}" if number else ""

    def _left(self) -> str:
        tasks = self._database.query(
            "SELECT state, count(*) FROM async_task "
            "WHERE state NOT IN ('done', 'failed', 'cancelled') GROUP BY state"
        )
        if tasks:
            return f"tasks: {dict(tasks)}"
        if orphans := [pid for worker in self._workers for pid in worker.orphans()]:
            return f"processes without their supervisor: {orphans}"
        # Started again, but maybe not up yet: it is asked once more.
        if closed := [port for port in self._ports if not listens(port)]:
            return f"web servers that are not up: {closed}"
        messages = self._sqs.left() if self._sqs is not None else 0
        return f"messages: {messages}" if messages else ""

    def _threads_lost(self, visitor: Visitor) -> int:
        """How many threads do not come when there is a task for each."""
        number = WORKERS * PROCESSES * THREADS
        met = self._begun.with_name("met")
        visitor.ask_to_meet(str(met), number)
        self._settle()
        seen = {line.split()[1] for line in met.read_text().splitlines()}
        return number - len(seen)

    def _stop(self) -> None:
        for role in self._roles:
            role.process.stop(STOP_S)
