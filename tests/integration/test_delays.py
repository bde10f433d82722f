"""When a task runs that is to run later: not before, and not much after."""

from __future__ import annotations

import time
from pathlib import Path

from devtools.workers import worker_thread
from tests.fixtures.scripts import Script
from tests.helpers import states, wait_until

#: More than a second late is too late; and some more on a machine that is busy.
LATE_S = 2.5
#: So long that nobody sees to a task meanwhile.
WORK_S = 0.2


def notes(path: Path) -> list[float]:
    """When a task began to run, in seconds since 1970."""
    return [float(line) - WORK_S for line in path.read_text().splitlines()]


def test_parts_of_a_second_are_waited_for(
    script: Script, database: str, tmp_path: Path
) -> None:
    # How long until the first run, and from there until the second.
    waits = [(0.0, 0.3), (0.3, 1.4), (0.9, 0.3), (1.4, 0.9), (0.2, None)]
    asked_at_s = []
    with worker_thread(database, threads=len(waits)):
        for number, (delay, again) in enumerate(waits):
            asked_at_s.append(time.time())
            with script.transaction():
                task = script.record.run_twice.configure(delay=delay)
                task.defer(str(tmp_path / str(number)), WORK_S, again)
            if number == 0:
                # Nothing else is due that would let the worker look around.
                wait_until(lambda: states(database) == ["done"])
        wait_until(lambda: states(database) == ["done"] * len(waits))
    for number, (delay, again) in enumerate(waits):
        first_s, second_s = notes(tmp_path / str(number))
        started_s = first_s - asked_at_s[number]
        # The first one comes while the worker starts, and the queue is made.
        assert delay <= started_s < delay + (LATE_S if number else 20)
        # The first back-off is half a second to one.
        shortest, longest = (0.5, 1.0) if again is None else (again, again)
        waited_s = second_s - first_s - WORK_S
        assert shortest <= waited_s < longest + LATE_S
