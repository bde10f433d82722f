"""What was asked for, and what came of it, as the database has it in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from trytond.modules.async_test.chaos import FAILS

from tests.chaos.database import Database
from tests.chaos.numbers import Event, Numbers


@dataclass(frozen=True)
class Cancels:
    """What was cancelled.

    :ivar asked: ids of tasks that somebody wanted to cancel.
    :ivar found: what ``cancel()`` said of them, where its answer came.
    :ivar rows: ids of the tasks that are cancelled in the end.
    """

    asked: frozenset[str] = frozenset()
    found: tuple[tuple[str, str], ...] = ()
    rows: frozenset[str] = frozenset()

    @property
    def broken(self) -> int:
        """Tasks of which ``cancel()`` said that they waited, and which ran; or that
        nobody has cancelled."""
        waited = {it for it, state in self.found if state in ("pending", "sent")}
        return len(waited - self.rows) + len(self.rows - self.asked)


def weigh(
    asked: Counter[str],
    effects: Counter[str],
    begun: int,
    copies: int,
    kills: int,
    cancelled: Counter[str] | None = None,
) -> Numbers:
    """Hold what was committed against what came of it.

    :param asked: labels that were committed with their deferral.
    :param effects: labels that tasks have written.
    :param begun: how many runs were begun, those that were killed included.
    :param copies: how many messages were put in the queue a second time.
    :param cancelled: labels of the tasks that are cancelled.
    """
    cancelled = cancelled or Counter()
    to_fail = Counter(
        {label: n for label, n in asked.items() if label.startswith(FAILS)}
    )
    to_run = asked - to_fail - cancelled
    return Numbers(
        tasks=asked.total(),
        kills=kills,
        duplicates_delivered=copies + begun - effects.total() - to_fail.total(),
        lost=(to_run - effects).total(),
        doubled=sum((effects[label] - n for label, n in (asked & effects).items())),
        unasked=sum(n for label, n in effects.items() if label not in asked),
        failed=-(to_fail - cancelled).total(),
        cancelled=cancelled.total(),
        cancelled_and_done=(cancelled & effects).total(),
    )


def read(
    database: Database, begun: Path, copies: int, kills: int, cancels: Cancels
) -> Numbers:
    """Read both sides from the database, and the runs from their file."""
    notes = [
        it.split(" ", 1) for it in database.texts("SELECT name FROM async_test_record")
    ]
    cancelled = set(
        database.texts("SELECT uuid FROM async_task WHERE state = 'cancelled'")
    )
    effects = Counter(database.texts("SELECT label FROM async_test_entry"))
    numbers = weigh(
        Counter(label for _, label in notes),
        effects,
        len(begun.read_text().splitlines()),
        copies,
        kills,
        Counter(label for task_id, label in notes if task_id in cancelled),
    )
    given_up = "SELECT count(*) FROM async_task WHERE state = 'failed'"
    return replace(
        numbers,
        failed=numbers.failed + database.query(given_up)[0][0],
        cancels_broken=replace(cancels, rows=frozenset(cancelled)).broken,
    )


def recoveries(database: Database, events: Iterable[Event]) -> Iterator[str]:
    """A line for each kind of event: how long until the work went on after it."""
    spans = database.query(
        "SELECT extract(epoch FROM deferred_at), extract(epoch FROM finished_at) "
        "FROM async_task WHERE state = 'done' AND name LIKE '%.effect'"
    )
    tasks = [(float(deferred_s), float(finished_s)) for deferred_s, finished_s in spans]
    firsts: dict[str, list[float]] = {}
    waits: dict[str, list[float]] = {}
    for event in events:
        end_s = event.ended_s
        after = [finished_s - end_s for _, finished_s in tasks if finished_s > end_s]
        waited = [
            finished_s - end_s
            for deferred_s, finished_s in tasks
            if deferred_s < end_s < finished_s
        ]
        firsts.setdefault(event.kind, []).append(min(after, default=0))
        waits.setdefault(event.kind, []).append(max(waited, default=0))
    for kind in sorted(firsts):
        yield (
            f"{len(firsts[kind])} x {kind}: the next task was done after "
            f"{median(firsts[kind]):.1f} s ({max(firsts[kind]):.1f} at most), all that "
            f"waited after {median(waits[kind]):.1f} s ({max(waits[kind]):.1f} at most)"
        )
