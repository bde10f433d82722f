"""The floors of coverage can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devtools.coverage_floors import main


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Where coverage's report is."""
    return tmp_path / "coverage.json"


def write(path: Path, covered: dict[str, int]) -> None:
    """Write a report in which each file has 100 lines."""
    files = {
        name: {"summary": {"num_statements": 100, "covered_lines": lines}}
        for name, lines in covered.items()
    }
    path.write_text(json.dumps({"files": files}))


ENOUGH = {
    "nereid_async/messages/message.py": 100,
    "nereid_async/rows/runs.py": 100,
    "nereid_async/cli.py": 70,
}


def test_enough(report: Path) -> None:
    write(report, ENOUGH)
    assert main(report) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"nereid_async/cli.py": 69},
        {"nereid_async/rows/claims.py": 99},
        {"nereid_async/messages/message.py": 99, "nereid_async/cli.py": 90},
    ],
    ids=str,
)
def test_a_line_too_few(
    report: Path, change: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    write(report, {**ENOUGH, **change})
    assert main(report) == 1
    assert capsys.readouterr().out.count("TOO FEW") == 1


def test_nothing_measured(report: Path) -> None:
    write(report, {})
    assert main(report) == 1
