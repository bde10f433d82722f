"""The benchmarks run by hand; what they import must be there all the same."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
#: What is installed without the peers.
OURS = ("nereid_async", "example_app", "devtools")


def imported() -> Iterator[tuple[str, str, str]]:
    """File, module and name of each import of ours."""
    for path in sorted(BENCHMARKS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                if node.module.partition(".")[0] in OURS:
                    for alias in node.names:
                        yield path.name, node.module, alias.name


def test_what_the_benchmarks_import_is_there() -> None:
    found = list(imported())
    assert len(found) > 20
    missing = [
        (file, module, name)
        for file, module, name in found
        if not hasattr(importlib.import_module(module), name)
        and importlib.util.find_spec(f"{module}.{name}") is None
    ]
    assert missing == []
