"""What was asked for, and what came of it, as the database has it in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.helpers import query


@dataclass(frozen=True)
class Numbers:
    """How a storm ended.

    :ivar duplicates_delivered: copies of messages that were put in the queue, and
        runs that were begun beyond those that committed.
    :ivar lost: deferrals that were committed and had no effect.
    :ivar doubled: effects beyond the first of each deferral.
    :ivar unasked: effects of deferrals that were rolled back.
    :ivar failed: tasks that were given up.
    """

    tasks: int
    kills: int
    duplicates_delivered: int
    lost: int
    doubled: int
    unasked: int
    failed: int = 0

    def lines(self) -> Iterator[str]:
        """One line a number, those that must be none last."""
        yield f"tasks: {self.tasks}"
        yield f"kills: {self.kills}"
        yield f"duplicates delivered: {self.duplicates_delivered}"
        yield f"ran after a rollback: {self.unasked}"
        yield f"failed: {self.failed}"
        yield f"lost: {self.lost}"
        yield f"doubled: {self.doubled}"


def weigh(
    asked: Counter[str], effects: Counter[str], begun: int, copies: int, kills: int
) -> Numbers:
    """Hold what was committed against what came of it.

    :param asked: labels that were committed with their deferral.
    :param effects: labels that tasks have written.
    :param begun: how many runs were begun, those that were killed included.
    :param copies: how many messages were put in the queue a second time.
    """
    return Numbers(
        tasks=asked.total(),
        kills=kills,
        duplicates_delivered=copies + begun - effects.total(),
        lost=(asked - effects).total(),
        doubled=sum((effects[label] - n for label, n in (asked & effects).items())),
        unasked=sum(n for label, n in effects.items() if label not in asked),
    )


def read(database: str, begun: Path, copies: int, kills: int) -> Numbers:
    """Read both sides from the database, and the runs from their file."""
    asked = _labels(database, "SELECT name FROM async_test_record")
    effects = _labels(database, "SELECT label FROM async_test_entry")
    numbers = weigh(asked, effects, len(begun.read_text().splitlines()), copies, kills)
    given_up = "SELECT count(*) FROM async_task WHERE state = 'failed'"
    return replace(numbers, failed=int(query(database, given_up)[0][0]))


def _labels(database: str, statement: str) -> Counter[str]:
    return Counter(label for (label,) in query(database, statement))
