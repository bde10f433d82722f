"""The hooks before a commit are the checks of CI."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def lint_commands() -> list[str]:
    """What ``make lint`` runs, with the usual environment."""
    makefile = (PROJECT / "Makefile").read_text()
    rule = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert rule is not None
    commands = rule[1].replace("$(BIN)", ".venv/bin").splitlines()
    return [command.strip().lstrip("@") for command in commands]


def test_hooks_run_what_make_lint_runs() -> None:
    config = (PROJECT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"^ +entry: (.+)$", config, re.MULTILINE) == lint_commands()


def test_ci_runs_it() -> None:
    script = (PROJECT / ".ci" / "run").read_text()
    assert "make lint" in script


def test_hooks_fetch_nothing() -> None:
    config = (PROJECT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (.+)$", config, re.MULTILINE) == ["local"]
    assert set(re.findall(r"language: (.+)$", config, re.MULTILINE)) == {"system"}
