"""The name of a fixture means one thing, wherever it is asked for."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def fixtures(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The name, the type and the file of each."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                "pytest.fixture" in ast.unparse(it) for it in node.decorator_list
            ):
                told = "None" if node.returns is None else ast.unparse(node.returns)
                kind = re.sub(r"^Iterator\[(.*)\]$", r"\1", told)
                yield node.name, kind, str(path.relative_to(folder))


def several(folder: Path) -> dict[str, set[str]]:
    """Names with several meanings, as far as types tell."""
    kinds = defaultdict(set)
    for name, kind, _ in fixtures(folder):
        kinds[name].add(kind)
    return {name: found for name, found in kinds.items() if len(found) > 1}


def test_a_name_has_one_type() -> None:
    """A file may narrow a fixture: another app, the settings of one broker."""
    assert several(TESTS) == {}


def test_two_types_are_seen(tmp_path: Path) -> None:
    for name, kind in (("one", "Iterator[str]"), ("other", "int"), ("third", "str")):
        text = f"@pytest.fixture\ndef visitor() -> {kind}: ...\n"
        (tmp_path / f"{name}.py").write_text(text)
    assert several(tmp_path) == {"visitor": {"str", "int"}}
