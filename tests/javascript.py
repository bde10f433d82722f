"""Runs tests in JavaScript under Node, and counts them in the summary: a plugin."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devtools.missing import missing

PROPERTY = "javascript"

#: A test point of the Test Anything Protocol, and what Node says of it below.
_POINT = re.compile(
    r"^ *(?P<failed>not )?ok \d+ - (?P<name>.*?)(?P<left># (?:SKIP|TODO).*)?\n"
    r"(?P<facts> *---\n(?:.*\n)*? *\.\.\.\n)?",
    re.MULTILINE,
)


def run(file: Path, cwd: Path) -> list[str]:
    """Run the tests in a file; the names of those that have passed.

    :raises AssertionError: one has failed, or there was none.
    """
    node = shutil.which("node")
    if node is None:
        missing("node; apt install nodejs")
    done = subprocess.run(
        # The usual form of the report is another one from Node 23 on.
        [node, "--test", "--test-reporter=tap", file],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    names = list(passed(done.stdout, file))
    assert names, f"no test has run: {file}"
    return names


def passed(report: str, file: Path) -> Iterator[str]:
    """The names of the tests that a report says have passed.

    Node reports each file, and each suite, as a test as well.
    """
    for point in _POINT.finditer(report):
        name = point["name"].strip()
        of_several = Path(name).name == file.name or "'suite'" in (point["facts"] or "")
        if not point["failed"] and not point["left"] and not of_several:
            yield name


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many have passed."""
    counts = [
        count
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, count in report.user_properties
        if name == PROPERTY
    ]
    if counts:
        terminalreporter.write_line(f"tests in JavaScript: {sum(counts)} passed")
