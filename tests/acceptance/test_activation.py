"""From an empty database to a running worker, with Tryton's own commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devtools.apps import SECRET_KEY
from devtools.databases import Databases
from devtools.site import PASSWORD
from nereid_async.database import connections
from tests.acceptance.conftest import Commands


@pytest.fixture
def commands(
    empty_database: str,
    databases: Databases,
    trytond_conf: Callable[..., Path],
    tmp_path: Path,
) -> Iterator[Commands]:
    """Commands on an empty database, with the default broker."""
    conf = trytond_conf(async_sqs={"signing_key": SECRET_KEY})
    with ExitStack() as stack:
        yield Commands(empty_database, conf, tmp_path, stack)


def admin(commands: Commands, tmp_path: Path, *modules: str) -> str:
    """Activate or update modules."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    process = commands.start(
        "trytond-admin", "-c", commands.conf, "-d", commands.database,
        "-u", *modules, "--activate-dependencies", "--email", "",
        TRYTONPASSFILE=str(password),
    )  # fmt: skip
    return commands.run(process, 180)


def test_activation(commands: Commands, tmp_path: Path) -> None:
    worker = commands.worker("--burst")
    assert worker.wait(60) != 0
    assert commands.database in worker.output
    assert "Traceback" not in worker.output

    admin(commands, tmp_path, "ir")
    worker = commands.worker("--burst")
    assert worker.wait(60) != 0
    assert "trytond-admin" in worker.output
    assert "-u async_sqs" in worker.output
    assert "Traceback" not in worker.output

    admin(commands, tmp_path, "async_sqs")
    commands.run(commands.worker("--burst"))
    status = commands.run(
        commands.start(
            "nereid-async", "status", "-c", commands.conf, "-d", commands.database
        )
    )
    assert status.startswith("QUEUE")

    # An update of what is there changes nothing.
    admin(commands, tmp_path, "async_sqs")
    commands.run(commands.worker("--burst"))


def test_an_update_that_was_forgotten_is_said(
    cloned_database: str, trytond_conf: Callable[..., Path], tmp_path: Path
) -> None:
    """A database of the release before: its tables lack a column."""
    conf = trytond_conf(async_sqs={"signing_key": SECRET_KEY})
    with ExitStack() as stack:
        commands = Commands(cloned_database, conf, tmp_path, stack)
        with connections.autocommit(cloned_database) as cursor:
            cursor.execute("ALTER TABLE async_task DROP COLUMN send_at")
        command = f"trytond-admin -c trytond.conf -d {cloned_database} -u async_sqs"
        starts = [
            commands.worker("--burst"),
            commands.worker("--burst", "--app", "tests.acceptance.web_app:create_app"),
        ]
        for process in starts:
            assert process.wait(60) != 0
            assert "send_at" in process.output
            assert command in process.output
            assert "Traceback" not in process.output
