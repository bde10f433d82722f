"""What was asked for, and what came of it, as the database has it in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from trytond.modules.async_test.chaos import FAILS, ORDERED
from trytond.modules.async_test.chaos_batches import BATCH, MEMBER, ON_FAILURE, THEN
from trytond.modules.async_test.chaos_keys import EVENT, SEEN

from tests.chaos import promises
from tests.chaos.database import Database
from tests.chaos.numbers import Event, Numbers

#: Entries of tasks that are not asked for by their label.
_NO_EFFECTS = (SEEN, THEN, ON_FAILURE)
#: When the transaction of a row has committed, in UTC.
_COMMITTED_AT = "pg_xact_commit_timestamp({}.xmin) AT TIME ZONE 'UTC'"


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
    notes = _notes(database)
    cancelled = set(
        database.texts("SELECT uuid FROM async_task WHERE state = 'cancelled'")
    )
    entries = database.texts("SELECT label FROM async_test_entry ORDER BY id")
    numbers = weigh(
        Counter(label for _, label in notes),
        Counter(label for label in entries if not label.startswith(_NO_EFFECTS)),
        len(begun.read_text().splitlines()),
        copies,
        kills,
        Counter(label for task_id, label in notes if task_id in cancelled),
    )
    given_up = "SELECT count(*) FROM async_task WHERE state = 'failed'"
    # Who cancels a batch cancels its members.
    members = {id for id, label in notes if batch_of(label) in cancels.asked}
    asked = cancels.asked | members
    numbers = replace(
        numbers,
        failed=numbers.failed + database.query(given_up)[0][0],
        cancels_broken=replace(cancels, asked=asked, rows=frozenset(cancelled)).broken,
    )
    numbers = _with_order(numbers, database, notes)
    numbers = _with_keys(numbers, database)
    return _with_batches(numbers, database, notes, entries, cancels.asked)


def group_of(label: str) -> str:
    """The ordered group of a task, by its label; empty for none."""
    label = label.removeprefix(FAILS)
    return label.partition(":")[0] if label.startswith(ORDERED) else ""


def batch_of(label: str) -> str:
    """The id of the batch of a task, by its label; empty for none."""
    label = label.removeprefix(FAILS)
    if not label.startswith(MEMBER):
        return ""
    return label.removeprefix(MEMBER).partition(":")[0]


def _notes(database: Database) -> list[tuple[str, str]]:
    """Id and label of all tasks whose deferral was committed, in that order.

    Within a transaction in the order of the deferrals. The order is PostgreSQL's own:
    no row of ours tells it.
    """
    rows = database.texts(
        "SELECT n.name FROM async_test_record n WHERE n.note IS NULL "
        f"ORDER BY {_COMMITTED_AT.format('n')}, n.id"
    )
    pairs = (row.split(" ", 1) for row in rows)
    return [(task_id, label) for task_id, label in pairs]


def _with_order(
    numbers: Numbers, database: Database, notes: Sequence[tuple[str, str]]
) -> Numbers:
    committed = [(group_of(label), id) for id, label in notes if group_of(label)]
    effects = database.texts("SELECT task FROM async_test_entry ORDER BY id")
    late = promises.out_of_order(committed, effects)
    return replace(numbers, ordered=len(committed), out_of_order=late)


def _with_keys(numbers: Numbers, database: Database) -> Numbers:
    events = [
        (int(id), task_id)
        for id, task_id in database.query(
            "SELECT id, split_part(name, ' ', 2) FROM async_test_record "
            f"WHERE note = '{EVENT}'"
        )
    ]
    looks = database.query(
        f"SELECT task, label FROM async_test_entry WHERE label LIKE '{SEEN}%'"
    )
    seen = {
        task_id: {int(id) for id in label.removeprefix(SEEN).split()}
        for task_id, label in looks
    }
    spans = database.query(
        f"SELECT split_part(e.name, ' ', 1), {_COMMITTED_AT.format('e')}, "
        "r.create_date "
        "FROM async_test_record e "
        "LEFT JOIN async_run r ON r.uuid = split_part(e.name, ' ', 2) "
        f"WHERE e.note = '{EVENT}' AND e.name LIKE '% new'"
    )
    return replace(
        numbers,
        tasks=numbers.tasks + len(spans),
        events=len(events),
        doubled=numbers.doubled + promises.repeated([it for it, _ in looks]),
        swallowed=promises.swallowed(events, seen),
        waited_twice=promises.waited_twice((key, at, end) for key, at, end in spans),
    )


def _with_batches(
    numbers: Numbers,
    database: Database,
    notes: Iterable[tuple[str, str]],
    entries: Iterable[str],
    cancels_asked: Collection[str],
) -> Numbers:
    states = database.query(
        "SELECT b.name, a.state FROM async_test_record b "
        f"LEFT JOIN async_batch a ON a.uuid = b.name WHERE b.note = '{BATCH}'"
    )
    given_up = set(database.texts("SELECT uuid FROM async_task WHERE state = 'failed'"))
    failed = {batch_of(label) for task_id, label in notes if task_id in given_up}
    last: dict[str, int] = {}
    ran = []
    for place, label in enumerate(entries):
        last[batch_of(label)] = place
        for what in (THEN, ON_FAILURE):
            if label.startswith(what):
                id, left = label.removeprefix(what).split()
                call = promises.Callback(id, what == ON_FAILURE, int(left), place)
                ran.append(call)
    batches = {
        id: promises.Batch(state, id in cancels_asked, id in failed, last.get(id, -1))
        for id, state in states
    }
    counted = promises.callbacks(batches, ran)
    return replace(
        numbers,
        tasks=numbers.tasks + len(ran),
        batches=len(batches),
        callbacks_twice=counted.twice,
        callbacks_never=counted.never,
        callbacks_early=counted.early,
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
