"""A task that takes longer than it is held for at a time runs once all the same."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, query, states

VISIBILITY_S = 2


def test_three_times_its_visibility_timeout(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with script.transaction():
        task = script.record.work_for.configure(visibility_timeout=VISIBILITY_S)
        task.defer(str(started), 3 * VISIBILITY_S)
    # The second one would take it over if the first did not hold it.
    workers = [commands.worker("--threads", "2") for _ in range(2)]
    workers[0].wait_until(lambda: states(database) == ["done"], "done", 60)
    assert len(started.read_text().splitlines()) == 1
    assert labels(database) == ["worked"]
    assert query(database, "SELECT attempt FROM async_run") == [(1,)]
