"""Cancelling at the same time as a claim and a finish: done once or cancelled."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from trytond import backend
from trytond.transaction import Transaction

from devtools.messages import message
from devtools.workers import worker_thread
from nereid_async.database import connections
from nereid_async.errors import DatabaseUnavailable
from nereid_async.messages.outcome import Outcome, State
from nereid_async.rows import Claim, Row, TaskRows
from tests.fixtures.scripts import Script
from tests.helpers import query, states, wait_until

LONG_S = 60
#: How many, and in how many threads. SQLite takes one writer at a time: there is less
#: to race for.
RACES, THREADS = {"postgresql": (1_000, 8), "sqlite": (100, 2)}[backend.name]


@dataclass
class Race:
    """One task for which a worker and a canceller race.

    :ivar late_s: by how much the canceller comes later, so that all steps are met.
    """

    rows: TaskRows
    task_id: str
    late_s: float

    def work(self) -> None:
        """Claim the task, ask whether it is to stop, and end it."""
        claim = self.rows.claim_ids([self.task_id], LONG_S).get(self.task_id)
        if claim is None:
            return
        if self._is_to_stop(claim):
            self.rows.cancelled(claim)
            return
        with Transaction().start(self.rows.database, 1) as transaction:
            cursor = connections.cursor_of(transaction)
            cursor.execute(
                f"INSERT INTO async_test_entry (label) VALUES ('{self.task_id}')"
            )
            self.rows.finish(cursor, claim, Outcome(), LONG_S)

    def _is_to_stop(self, claim: Claim) -> bool:
        try:
            return self.rows.cancel_request(claim) is not None
        except DatabaseUnavailable:
            # A run does not wait for a lock on a SQLite file just to ask.
            return False

    def cancel(self) -> State | None:
        """Cancel it, a little later; the state in which it was found."""
        time.sleep(self.late_s)
        return self.rows.cancel(self.task_id)


def fates(database: str) -> dict[str, tuple[str, int]]:
    """Of each task its state, and how often it had its effect."""
    effects = Counter(
        label for (label,) in query(database, "SELECT label FROM async_test_entry")
    )
    rows = query(database, "SELECT uuid, state FROM async_task")
    return {uuid: (state, effects[uuid]) for uuid, state in rows}


#: Which ends agree with what was found.
AGREE = {
    State.PENDING: {("cancelled", 0)},
    State.RUNNING: {("cancelled", 0), ("done", 1)},
    State.DONE: {("done", 1)},
}


def test_a_task_is_done_once_or_cancelled(database: str) -> None:
    rows = TaskRows(database)
    made = [message() for _ in range(RACES)]
    rows.insert_apart([Row(it, "text") for it in made], notify=False)
    chosen = random.Random(14)
    races = [Race(rows, it.id, chosen.uniform(0, 0.012)) for it in made]
    with ThreadPoolExecutor(THREADS) as pool:
        started = [(pool.submit(it.cancel), pool.submit(it.work)) for it in races]
        found = [canceller.result() for canceller, _ in started]
        for _, worker in started:
            worker.result()
    ends = fates(database)
    for race, state in zip(races, found, strict=True):
        assert state is not None
        assert ends[race.task_id] in AGREE[state], (race, state)
    assert {State.PENDING, State.DONE} <= set(found), Counter(found)
    assert Counter(ends.values()).keys() == {("cancelled", 0), ("done", 1)}


def test_against_a_worker(script: Script) -> None:
    """The same with all of a worker, which may also give back and take over."""
    with script.transaction():
        results = [script.record.write_entry.defer(str(i)) for i in range(60)]
    with worker_thread(script.database, threads=2), script.transaction():
        found = {str(i): results[i].cancel() for i in reversed(range(60))}
        wait_until(lambda: set(states(script.database)) <= {"done", "cancelled"}, 30)
    order = query(script.database, "SELECT uuid, state FROM async_task")
    state_of = dict(order)
    effects = Counter(
        label
        for (label,) in query(script.database, "SELECT label FROM async_test_entry")
    )
    for label, state in found.items():
        end = state_of[results[int(label)].id], effects[label]
        waiting = State.PENDING if state.waiting else state
        assert end in AGREE[waiting], (label, state)
