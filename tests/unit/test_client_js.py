"""The browser's module under Node's own test runner, one file after the other."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.databases import PROJECT
from tests.missing import missing


@pytest.mark.parametrize("file", ["client.test.mjs", "pace.test.mjs"])
def test_client_js(file: str) -> None:
    node = shutil.which("node")
    if node is None:
        missing("node; apt install nodejs")
    done = subprocess.run(
        [node, "--test", f"tests/client/{file}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0\n" not in done.stdout
