"""From an empty database to a running worker, with Tryton's own commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.databases import Databases
from tests.fixtures.apps import SECRET_KEY
from tests.site import PASSWORD


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
    assert "pending: 0" in status

    # An update of what is there changes nothing.
    admin(commands, tmp_path, "async_sqs")
    commands.run(commands.worker("--burst"))
