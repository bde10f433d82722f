"""What tests and benchmarks share knows neither, and is not installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def names(tree: ast.AST) -> Iterator[str]:
    """All that a file imports, or names as what it may run: ``-m tests.site``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}."
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"[\w.:]+", node.value):
                yield node.value


def users(project: Path, folder: str, package: str) -> list[str]:
    """The files in a folder that use a package."""
    return [
        str(path.relative_to(project))
        for path in sorted((project / folder).rglob("*.py"))
        if any(
            f"{name}.".startswith(f"{package}.")
            for name in names(ast.parse(path.read_text()))
        )
    ]


@pytest.mark.parametrize(
    ("folder", "package"),
    [
        ("devtools", "tests"),
        ("devtools", "benchmarks"),
        ("benchmarks", "tests"),
        ("nereid_async", "devtools"),
        ("example_app", "devtools"),
        ("example_app", "tests"),
    ],
)
def test_imports_go_one_way(folder: str, package: str, tmp_path: Path) -> None:
    assert users(PROJECT, folder, package) == []
    # One that does not is seen.
    (tmp_path / folder).mkdir()
    wrong = tmp_path / folder / "wrong.py"
    for line in (
        f"from {package}.servers import ministack",
        f"from {package} import servers",
        f"def f():\n    import {package}.servers",
        f"command = ['-m', '{package}.site']",
    ):
        wrong.write_text(line)
        assert users(tmp_path, folder, package) == [f"{folder}/wrong.py"]


def test_it_is_not_installed() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    (packages,) = re.findall(
        r"^\[tool\.setuptools\]\n.*?^packages = \[(.*?)^\]", text, re.M | re.S
    )
    roots = {name.partition(".")[0] for name in re.findall(r'"([\w.]+)"', packages)}
    assert roots == {"nereid_async", "trytond"}
