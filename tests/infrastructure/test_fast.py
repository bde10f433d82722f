"""The fast tests are told apart, and held to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

SAMPLE = """
import os
import socket
import subprocess
import threading
from contextlib import suppress

import pytest


@pytest.fixture
def starts():
    subprocess.run(["true"])


def test_{name}({fixture}):
    {line}
"""


def run_fast(folder: Path, place: str, line: str, fixture: str = "") -> tuple[int, str]:
    """Run a test that is made of one line, if it is a fast one."""
    (folder / place).mkdir()
    sample = folder / place / "test_sample.py"
    sample.write_text(SAMPLE.format(name="it", line=line, fixture=fixture))
    command: list[str | Path] = [
        sys.executable, "-m", "pytest", "-p", "tests.fast", "-p", "no:cacheprovider",
        "-m", "fast", "--rootdir", folder, sample,
    ]  # fmt: skip
    env = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("subprocess.run(['true'])", "starts a process"),
        ("os.fork() or os._exit(0)", "starts a process"),
        ("os.system('true')", "starts a process"),
        ("os.posix_spawn('/bin/true', ['true'], {})", "starts a process"),
        ("socket.create_connection(('127.0.0.1', 9))", "connects to a server"),
        ("socket.create_server(('127.0.0.1', 0))", "listens"),
        ("with suppress(Exception): subprocess.run(['true'])", "starts a process"),
        (
            "it = threading.Thread(target=os.system, args=['true']);"
            " it.start(); it.join()",
            "starts a process",
        ),
    ],
)
def test_what_a_fast_test_may_not(tmp_path: Path, line: str, told: str) -> None:
    status, output = run_fast(tmp_path, "unit", line)
    assert status == 1, output
    assert f"a fast test {told}" in output


def test_its_fixtures_may_not_either(tmp_path: Path) -> None:
    status, output = run_fast(tmp_path, "unit", "pass", "starts")
    assert status == 1, output
    assert "a fast test starts a process" in output


def test_it_may_do_the_rest(tmp_path: Path) -> None:
    line = "it = socket.socket(); it.bind(('127.0.0.1', 0)); it.close()"
    status, output = run_fast(tmp_path, "unit", line)
    assert status == 0, output
    assert "1 passed" in output


@pytest.mark.parametrize(
    ("place", "runs"), [("unit", True), ("contract", False), ("integration", False)]
)
def test_which_tests_are_fast(tmp_path: Path, place: str, runs: bool) -> None:
    _, output = run_fast(tmp_path, place, "pass")
    assert ("1 passed" in output) is runs, output
