"""Counts the hostile cases that the suite tries: a pytest plugin.

A test says what it tries through the fixture ``hostile``; the summary adds it up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

_PROPERTY = "hostile"


@pytest.fixture
def hostile(record_property: Callable[[str, object], None]) -> Callable[[bool], None]:
    """Takes note of one attempt, and fails if it was let in."""

    def tried(let_in: bool) -> None:
        assert not let_in, "a hostile case was let in"
        record_property(_PROPERTY, 1)

    return tried


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many were tried."""
    reports = terminalreporter.getreports("passed")
    tried = sum(
        1
        for report in reports
        if report.when == "call"
        for name, _ in report.user_properties
        if name == _PROPERTY
    )
    if tried:
        terminalreporter.write_line(f"hostile cases: {tried} tried, none let in")
