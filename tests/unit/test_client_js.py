"""The browser's module under Node's own test runner."""

from __future__ import annotations

import shutil
import subprocess

from tests.databases import PROJECT
from tests.missing import missing


def test_client_js() -> None:
    node = shutil.which("node")
    if node is None:
        missing("node; apt install nodejs")
    done = subprocess.run(
        [node, "--test", "tests/client/client.test.mjs"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0\n" not in done.stdout
