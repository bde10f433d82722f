"""Children that are forked while other threads use the database."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from devtools.databases import PROJECT

#: Without the gate, one of ten hangs or so.
_CHILDREN = 100


@pytest.mark.backends("sqlite")
def test_a_child_may_use_sqlite_whatever_other_threads_do(
    database: str, trytond_conf: Any
) -> None:
    command = [sys.executable, "-m", "tests.forking_worker", str(trytond_conf())]
    done = subprocess.run(
        [*command, database, str(_CHILDREN)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    # Where a child hangs, if one does, is in stderr.
    assert done.stdout == f"{_CHILDREN} x 0", done.stderr
