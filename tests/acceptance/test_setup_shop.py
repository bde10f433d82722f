"""``nereid-async setup-shop``: what it refuses, and that it may be called again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands


@pytest.fixture
def commands(
    cloned_database: str, trytond_conf: Callable[..., Path], tmp_path: Path
) -> Iterator[Commands]:
    with ExitStack() as stack:
        yield Commands(cloned_database, trytond_conf(), tmp_path, stack)


@pytest.mark.backends("sqlite")
def test_what_cannot_be_is_told_in_a_line(commands: Commands) -> None:
    database = commands.database
    setup = ("nereid-async", "setup-shop", "-c", commands.conf, "-d", database)
    process = commands.start(*setup, "-u", "no_such_module")
    assert process.wait(60) == 1
    assert "no Tryton module 'no_such_module'" in process.output
    assert "Traceback" not in process.output
    # The database has a website already, which is kept.
    output = commands.run(commands.start(*setup), 120)
    assert "created" not in output
    assert "Warning" not in output
