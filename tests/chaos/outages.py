"""What goes wrong around the tasks, besides kills: each begins, lasts, and ends."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass

from devtools.proxy import Call, Proxy, Refusal, Watch
from devtools.servers import StoppableMinistack
from tests.acceptance.conftest import Commands
from tests.chaos.cast import WorkerRole, is_alive
from tests.chaos.database import Database
from tests.chaos.numbers import Event


@dataclass(frozen=True)
class Outage:
    """A kind of outage.

    :ivar kind: its name.
    :ivar lasts_s: from how long to how long it lasts.
    :ivar run: begins it, and ends it with the context.
    :ivar of_database: whether nothing that needs the database can start meanwhile.
    :ivar spoils_web: whether web processes have to be started anew after it.
    """

    kind: str
    lasts_s: tuple[float, float]
    run: Callable[[], AbstractContextManager[object]]
    of_database: bool = False
    spoils_web: bool = False


class Outages:
    """One outage after the other, of each kind in turn, in a random order.

    :param due: each begins when so many tasks have had their effect.
    :ivar events: those that are over.
    :ivar database_went_s: when the database went the last time, by the monotonic clock.
    """

    def __init__(
        self, kinds: Sequence[Outage], due: list[int], chance: random.Random
    ) -> None:
        self._kinds = kinds
        self._due = due
        self._chance = chance
        self._coming: list[Outage] = []
        self._end = ExitStack()
        self._end_s = 0.0
        self.now: Outage | None = None
        self.events: list[Event] = []
        self.database_went_s = -math.inf

    @property
    def over(self) -> bool:
        """Whether there were as many as there are to be."""
        return not self._due and self.now is None

    @property
    def of_database(self) -> bool:
        """Whether one is going on that lets nothing start."""
        return self.now is not None and self.now.of_database

    def go_on(self, effects: int) -> Outage | None:
        """End the one whose time is over; or else begin one that is due.

        :return: the one that has ended.
        """
        if self.now is not None:
            return self.end() if time.monotonic() >= self._end_s else None
        if self._due and effects >= self._due[0]:
            del self._due[0]
            self._begin()
        return None

    def end(self) -> Outage | None:
        """End the one that is going on, if any."""
        outage, self.now = self.now, None
        if outage is not None:
            self._end.close()
            self.events.append(Event(outage.kind, time.time()))
        return outage

    def _begin(self) -> None:
        if not self._coming:
            self._coming = self._chance.sample(self._kinds, len(self._kinds))
        self.now = self._coming.pop()
        if self.now.of_database:
            self.database_went_s = time.monotonic()
        self._end.enter_context(self.now.run())
        self._end_s = time.monotonic() + self._chance.uniform(*self.now.lasts_s)


def of_database(database: Database) -> list[Outage]:
    """What may befall PostgreSQL."""
    server = database.server

    @contextmanager
    def stopped(how: signal.Signals) -> Iterator[None]:
        server.stop(how)
        yield
        server.start()

    @contextmanager
    def failed_over() -> Iterator[None]:
        server.stop(signal.SIGQUIT)
        server.start(standby=True)
        yield
        server.promote()

    @contextmanager
    def read_only() -> Iterator[None]:
        _alter(database, "SET default_transaction_read_only = on")
        yield
        _alter(database, "RESET default_transaction_read_only")

    @contextmanager
    def terminated() -> Iterator[None]:
        database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        yield

    return [
        Outage("fast restart", (0, 3), lambda: stopped(signal.SIGINT), True),
        Outage("immediate restart", (0, 3), lambda: stopped(signal.SIGQUIT), True),
        # trytond loses a connection of its pool whenever it tries to write there.
        Outage("standby, promoted", (0.5, 4), failed_over, True, spoils_web=True),
        Outage("read-only window", (0.5, 4), read_only, True),
        Outage("backends terminated", (0, 0), terminated),
    ]


def _alter(database: Database, what: str) -> None:
    database.query(f"ALTER SYSTEM {what}")
    database.query("SELECT pg_reload_conf()")


def of_workers(
    workers: Sequence[WorkerRole], chance: random.Random, lease_s: float
) -> list[Outage]:
    """What may befall processes that live on."""

    @contextmanager
    def frozen() -> Iterator[None]:
        pids = [pid for worker in workers for pid in worker.children()]
        pid = chance.choice(pids) if pids else 0
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGSTOP)
        yield
        with suppress(ProcessLookupError):
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)

    return [Outage("SIGSTOP beyond the lease", (1.5 * lease_s, 4 * lease_s), frozen)]


def of_queues(commands: Commands) -> list[Outage]:
    """What an administrator does with queues."""

    @contextmanager
    def paused() -> Iterator[None]:
        commands.run(commands.flask("pause", "--all"))
        yield
        commands.run(commands.flask("resume", "--all"))

    return [Outage("queues paused", (1, 4), paused)]


def of_sqs(
    server: StoppableMinistack, proxy: Proxy, chance: random.Random
) -> list[Outage]:
    """What may befall SQS, and the way to it."""

    @contextmanager
    def away() -> Iterator[None]:
        server.stop()
        yield
        server.start()

    def behaving(watch: Watch) -> Callable[[], AbstractContextManager[None]]:
        @contextmanager
        def behaves() -> Iterator[None]:
            proxy.watch = watch
            yield
            proxy.watch = Watch()

        return behaves

    def sometimes(share: float, refusal: Refusal) -> Callable[[Call], Refusal | None]:
        return lambda call: refusal if chance.random() < share else None

    def slowly(call: Call) -> None:
        # Mostly within the client's patience, and at times beyond.
        time.sleep(chance.choice([0.1, 0.5, 2.0]))

    throttled = Refusal(400, "ThrottlingException")
    failing = Refusal(500, "InternalFailure")
    return [
        Outage("SQS away", (0.5, 3), away),
        Outage("SQS slow", (2, 5), behaving(Watch(before=slowly))),
        Outage("SQS answers lost", (2, 5), behaving(Watch(loses=_third(chance)))),
        Outage(
            "SQS fails in part",
            (2, 5),
            behaving(
                Watch(entry=sometimes(0.4, failing), before=sometimes(0.1, throttled))
            ),
        ),
    ]


def _third(chance: random.Random) -> Callable[[Call], bool]:
    return lambda call: chance.random() < 0.33
