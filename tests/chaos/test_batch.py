"""A batch of many members on several processes that are killed: it ends once."""

from __future__ import annotations

import random
import time

import pytest

from nereid_async import NereidAsync, Progress
from nereid_async.batches import Batch
from tests.acceptance.conftest import Commands
from tests.chaos.cast import WorkerRole
from tests.fixtures.scripts import Script
from tests.helpers import labels, query

#: Short, so that what a killed worker held is soon taken over.
SHORT = {"visibility_timeout": "2", "send_timeout": "1"}
TIMEOUT_S = 600.0


@pytest.fixture
def broker_settings(broker_settings: dict[str, str]) -> dict[str, str]:
    return {**broker_settings, **SHORT}


@pytest.mark.backends("postgresql")
def test_a_batch_ends_once_whoever_is_killed(
    script: Script, commands: Commands, request: pytest.FixtureRequest
) -> None:
    option = request.config.option
    members, kills = option.chaos_tasks, max(2, option.chaos_kills // 3)
    chance = random.Random(option.chaos_seed)
    worker = WorkerRole(lambda: commands.worker("--processes", "4", "--threads", "1"))
    with script.transaction():
        entry = script.record.write_entry
        batch = NereidAsync.batch("Many", then=entry.prepare("then"))
        with batch:
            entry.defer_many([str(number) for number in range(members)])
    begun_s = time.monotonic()
    seen: list[float] = []
    while (progress := told(script, batch)) is not None:
        assert time.monotonic() < begun_s + TIMEOUT_S
        seen.append(progress.done or 0)
        assert progress.total == members
        # As many kills as there are parts of the work.
        if seen[-1] >= members * (1 - kills / (kills + 1.5)) and kills:
            kills -= bool(worker.kill(chance))
        worker.revive(begun_s)
        time.sleep(0.1)
    assert seen == sorted(seen)
    while labels(script.database).count("then") < 1:
        assert time.monotonic() < begun_s + TIMEOUT_S
        worker.revive(begun_s)
        time.sleep(0.1)
    with script.transaction():
        assert batch.result.get() == {"done": members, "failed": 0, "cancelled": 0}
    assert not kills
    of_then = "SELECT count(*) FROM async_task WHERE batch IS NULL"
    assert query(script.database, of_then) == [(1,)]
    assert len(labels(script.database)) == members + 1


def told(script: Script, batch: Batch) -> Progress | None:
    """The progress of a batch; None once it has ended."""
    with script.transaction():
        if batch.result.state() == "done":
            return None
        progress: Progress | None = batch.result.progress()
        return progress
