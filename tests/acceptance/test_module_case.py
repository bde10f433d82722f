"""trytond's own tests of a module pass."""

from __future__ import annotations

import sys
from pathlib import Path

from devtools.processes import run


def test_what_trytond_asks_of_a_module(tmp_path: Path) -> None:
    """In a process of its own: they make a database and a pool."""
    output = run(
        [sys.executable, "-m", "unittest", "tests.tryton.module_case"],
        tmp_path / "module.log",
        env={"TRYTOND_DATABASE_URI": "sqlite://"},
        timeout_s=120,
    )
    assert "OK" in output
