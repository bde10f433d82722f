"""The broker is a matter of settings: what was deferred before a switch runs, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.databases import Databases, write_config
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states, wait_until
from tests.integration.test_relay import ago

TASKS = 20


@pytest.fixture
def settings(ministack: str) -> dict[str, dict[str, str]]:
    """The settings of each broker."""
    return {"sqs": sqs_settings(ministack), "database": {"broker": "database"}}


@pytest.fixture
def web(
    tryton_conf: ConfWriter, settings: dict[str, dict[str, str]], database: str
) -> Callable[[str], Script]:
    """A process that defers, with the settings of a broker."""

    def start(broker: str) -> Script:
        tryton_conf(signing_key=SECRET_KEY, **settings[broker])
        return Script(database)

    return start


@pytest.fixture
def workers(
    settings: dict[str, dict[str, str]],
    database: str,
    databases: Databases,
    tmp_path: Path,
) -> Iterator[Callable[[str], Commands]]:
    """Commands with the settings of a broker."""
    with ExitStack() as stack:

        def of(broker: str) -> Commands:
            folder = tmp_path / broker
            folder.mkdir(exist_ok=True)
            options = {"signing_key": SECRET_KEY, **settings[broker]}
            conf = write_config(
                folder / "trytond.conf", databases, async_sqs=dict(options)
            )
            return Commands(database, conf, folder, stack)

        yield of


def defer(script: Script, number: int = TASKS) -> None:
    with script.transaction():
        for n in range(number):
            script.record.write_entry.defer(str(n))


def all_labels(number: int) -> list[str]:
    return sorted(map(str, range(number)))


def test_from_sqs_to_the_database(
    web: Callable[[str], Script],
    workers: Callable[[str], Commands],
    database: str,
    settings: dict[str, dict[str, str]],
) -> None:
    old = web("sqs")
    defer(old)
    wait_until(lambda: states(database) == ["sent"] * TASKS)
    commands = workers("database")
    output = commands.run(commands.worker("--burst"))
    assert states(database) == ["done"] * TASKS
    assert f"{TASKS} task(s)" in output

    # A web process that has not been restarted goes on sending.
    worker = commands.worker()
    defer(old, 1)
    worker.wait_until(lambda: states(database) == ["done"] * (TASKS + 1), "done")
    # The messages are still there, if somebody switches back; they have no effect.
    assert TaskQueue(settings["sqs"], database).left() == TASKS + 1
    worker.stop()
    commands = workers("sqs")
    commands.run(commands.worker("--burst"))
    assert sorted(labels(database)) == sorted([*all_labels(TASKS), "0"])


def test_from_the_database_to_sqs(
    web: Callable[[str], Script],
    workers: Callable[[str], Commands],
    database: str,
    tmp_path: Path,
) -> None:
    script = web("database")
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        script.record.wait_for_file.defer(str(started), str(go))
    commands = workers("database")
    commands.hold_for_a_second()
    victim = commands.worker("--threads", "1")
    victim.wait_until(started.exists, "the task runs")
    victim.kill()
    go.touch()
    defer(script)
    # As if all of that had been a while ago.
    query(database, f"UPDATE async_task SET deferred_at = {ago(60)}")
    query(database, f"UPDATE async_run SET lease_until = {ago(60)}")

    worker = workers("sqs").worker()
    worker.wait_until(
        lambda: states(database) == ["done"] * (TASKS + 1), "all have run", 60
    )
    assert sorted(labels(database)) == [*all_labels(TASKS), "waited"]
    assert "1 task(s) are sent again" in worker.output
