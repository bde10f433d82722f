"""A shop and its copy on one account, under one name: neither takes the other's."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.databases import Databases, SQLiteDatabases, write_config
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, states, wait_until

#: Two databases of one name are two files in two folders.
pytestmark = pytest.mark.backends("sqlite")

Staging = Callable[..., Commands]


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    return sqs_settings(ministack)


@pytest.fixture
def staging(
    database: str,
    databases: Databases,
    broker_settings: dict[str, str],
    tmp_path: Path,
) -> Iterator[Staging]:
    """Copies the shop's database; returns commands on the copy."""
    assert isinstance(databases, SQLiteDatabases)
    folder = tmp_path / "staging"
    folder.mkdir()
    with ExitStack() as stack:

        def copy(**settings: object) -> Commands:
            shutil.copyfile(databases.file(database), folder / f"{database}.sqlite")
            conf = write_config(
                folder / "trytond.conf",
                databases,
                database={"path": folder},
                async_sqs={"signing_key": SECRET_KEY, **broker_settings, **settings},
            )
            return Commands(database, conf, folder, stack)

        yield copy


def identity(commands: Commands, *options: str) -> str:
    """Run the command; what it says."""
    return commands.run(
        commands.start(
            "nereid-async", "identity", *options, "-c", commands.conf, "-d",
            commands.database,
        )
    )  # fmt: skip


def defer(script: Script, number: int) -> list[str]:
    made = [str(i) for i in range(number)]
    with script.transaction():
        for label in made:
            script.record.write_entry.defer(label)
    return made


@pytest.mark.parametrize("key", [SECRET_KEY, "a-key-of-its-own-as-it-should-be"])
def test_the_copys_worker_gives_back_what_is_the_shops(
    script: Script, staging: Staging, queue: TaskQueue, key: str
) -> None:
    # A queue that operations have made bears no tag that would stop it.
    queue.url()
    copy = staging(signing_key=key, unknown_grace=0)
    identity(copy, "--renew")
    worker = copy.worker()
    made = defer(script, 3)
    worker.wait_for_output("sqs_queue_prefix", 30)
    assert worker.output.count("sqs_queue_prefix for one") == 1

    def done() -> bool:
        script.burst()
        return states(script.database) == ["done"] * 3

    wait_until(done, 60)
    assert sorted(labels(script.database)) == made
    worker.stop(30)
    assert queue.dead() == []
    assert ran(copy) == []


def ran(commands: Commands) -> list[str]:
    """What the tasks have written that ran on a copy."""
    path = commands.conf.parent / f"{commands.database}.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT label FROM async_test_entry")
        return [label for (label,) in rows]


def test_a_worker_does_not_start_on_the_others_queue(
    script: Script, staging: Staging
) -> None:
    (label,) = defer(script, 1)
    copy = staging()
    first = identity(copy).split()[-1]
    assert first not in identity(copy, "--renew", "--drop-waiting").split()
    worker = copy.worker("--burst")
    assert worker.wait(60) == 1
    assert "sqs_queue_prefix" in worker.output
    assert first in worker.output
    assert "Traceback" not in worker.output
    assert ran(copy) == []
    script.burst()
    assert labels(script.database) == [label]
