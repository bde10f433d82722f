"""A worker whose thread has died is replaced, and holds nothing any more."""

from __future__ import annotations

import pytest

from tests import rough_tasks
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, states

pytestmark = [
    pytest.mark.backends("sqlite"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


@pytest.fixture
def rough(commands: Commands) -> Commands:
    commands.set("imports", "tests.rough_tasks")
    commands.hold_for_a_second()
    return commands


def break_a_thread(script: Script) -> None:
    with script.transaction():
        rough_tasks.break_thread.configure(visibility_timeout=1).defer()
        script.record.write_entry.defer("after it")


def test_a_burst_ends_with_an_error(
    script: Script, rough: Commands, database: str
) -> None:
    break_a_thread(script)
    worker = rough.worker("--burst", "--threads", "1")
    assert worker.wait(30) == 1, worker.output
    assert "thread runner-0 has ended by itself" in worker.output
    assert states(database)[1] == "pending"


def test_the_process_is_replaced_and_what_it_held_runs_again(
    script: Script, rough: Commands, database: str
) -> None:
    break_a_thread(script)
    worker = rough.worker("--threads", "1")
    worker.wait_until(lambda: states(database) == ["done", "done"], "done", 60)
    assert labels(database) == ["after it"]
    assert "ended with 1" in worker.output
