"""How much chaos, and what came of it: a pytest plugin.

The numbers come with the tests' reports, so that those of the second process are
counted as well.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tests.chaos.ledger import Numbers

_PROPERTY = "chaos"
_STORY = "story of the chaos"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--chaos-tasks", type=int, default=250, help="tasks for each broker"
    )
    group.addoption("--chaos-kills", type=int, default=8, help="kills for each broker")
    group.addoption("--chaos-seed", type=int, help="of what is random (default: any)")


def note(request: pytest.FixtureRequest, story: str, numbers: Numbers) -> None:
    """Let a test's numbers go into the summary, and a line that tells how it went."""
    request.node.user_properties.append((_STORY, story))
    for field in fields(numbers):
        value = getattr(numbers, field.name)
        request.node.user_properties.append((f"{_PROPERTY} {field.name}", value))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the sums."""
    sums: dict[str, int] = {}
    stories = []
    for status in ("passed", "failed"):
        for report in terminalreporter.getreports(status):
            for name, value in report.user_properties if report.when == "call" else ():
                if name == _STORY:
                    stories.append(value)
                kind, _, what = name.partition(" ")
                if kind == _PROPERTY:
                    sums[what] = sums.get(what, 0) + value
    if sums:
        terminalreporter.section("chaos")
        for story in stories:
            terminalreporter.write_line(story)
        for line in Numbers(**sums).lines():
            terminalreporter.write_line(line)
