"""How much chaos, and what came of it: a pytest plugin.

The numbers come with the tests' reports, so that those of other processes are
counted as well.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tests.chaos.numbers import Numbers

_PROPERTY = "chaos"
_STORY = "story of the chaos"
_last_lines = pytest.StashKey[list[str]]()

#: How many there are in the suite, for each broker.
TASKS = 250


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--chaos-tasks", type=int, default=TASKS, help="tasks for each broker"
    )
    group.addoption("--chaos-kills", type=int, default=6, help="kills for each broker")
    group.addoption(
        "--chaos-outages", type=int, default=3, help="outages for each broker"
    )
    group.addoption("--chaos-seed", type=int, help="of what is random (default: any)")


def note(request: pytest.FixtureRequest, story: list[str], numbers: Numbers) -> None:
    """Let a test's numbers go into the summary, and lines that tell how it went."""
    request.node.user_properties += [(_STORY, line) for line in story]
    for field in fields(numbers):
        value = getattr(numbers, field.name)
        request.node.user_properties.append((f"{_PROPERTY} {field.name}", value))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
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
        lines = list(Numbers(**sums).lines())
        for line in lines:
            terminalreporter.write_line(line)
        if config.option.chaos_tasks != TASKS:
            config.stash[_last_lines] = lines


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print them once more, last of all, where they are what was asked for."""
    for line in config.stash.get(_last_lines, []):
        print(line)
