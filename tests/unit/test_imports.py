"""Who may import whom: the layering of the package, and no work at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "nereid_async"

#: Parts that know the core; the core knows none of them.
OUTER = ("module", "web", "worker", "cli", "extension", "testing")


@dataclass(frozen=True)
class Rule:
    """Who must not import what.

    :ivar inside: top-level parts of the package that may.
    :ivar forbidden: tells of a full name whether it is meant.
    :ivar offence: a line that breaks the rule, in a file of the core.
    """

    text: str
    inside: tuple[str, ...]
    forbidden: Callable[[str], bool]
    offence: str


def below(*names: str) -> Callable[[str], bool]:
    """Whether a name is one of these, or below one."""
    return lambda name: any(f"{name}.".startswith(f"{it}.") for it in names)


RULES = (
    Rule(
        "the core knows nothing of what is around it",
        (*OUTER, "__init__"),
        below(*(f"nereid_async.{part}" for part in OUTER)),
        "from .worker import job",
    ),
    Rule(
        "only the package itself imports the extension",
        ("__init__",),
        below("nereid_async.extension"),
        "from .extension import NereidAsync",
    ),
    Rule(
        "nereid only where the web is",
        ("web", "extension", "testing"),
        below("nereid", "flask_login"),
        "from nereid import request",
    ),
    Rule(
        "flask only where the web is, and in the commands, which find apps its way",
        ("web", "extension", "testing", "cli"),
        below("flask"),
        "import flask",
    ),
    Rule(
        "boto3 only where SQS is called",
        ("sqs",),
        below("boto3", "botocore"),
        "import botocore.config",
    ),
    Rule(
        "cryptography only where something is encrypted: it is an extra",
        ("cipher",),
        below("cryptography"),
        "from cryptography.fernet import Fernet",
    ),
    Rule(
        "the Tryton module goes by its own name",
        ("module",),
        below("nereid_async.module"),
        "from . import module",
    ),
    Rule(
        "nothing is unpickled",
        (),
        below("pickle", "marshal", "shelve"),
        "import pickle",
    ),
)


def offenders(rule: Rule, package: Path) -> list[str]:
    """The imports that break a rule, as ``file: name``."""
    return [
        f"{path.relative_to(package)}: {name}"
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0].removesuffix(".py") not in rule.inside
        for name in imports(path, package)
        if rule.forbidden(name)
    ]


def imports(path: Path, package: Path) -> Iterator[str]:
    """The full names of all that a file imports, relative ones made absolute."""
    for node in _nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(path.relative_to(package), node)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        # What is only there for type checkers is not imported.
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _nodes(child)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = ["nereid_async", *path.parent.parts]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_layers(rule: Rule) -> None:
    assert offenders(rule, PACKAGE) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_a_broken_rule_is_seen(rule: Rule, tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text(f"def f():\n    {rule.offence}\n")
    assert len(offenders(rule, tmp_path)) == 1


def environment_and_evaluation(source: str) -> list[str]:
    """Where a source reads the environment, or evaluates text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os" and node.attr in ("environ", "getenv"):
                found.append(f"os.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("eval", "exec"):
                found.append(node.func.id)
    return found


def test_no_environment_is_read_and_nothing_evaluated() -> None:
    assert environment_and_evaluation("os.environ['A']; eval('1')")
    found = {
        path.name: environment_and_evaluation(path.read_text())
        for path in PACKAGE.rglob("*.py")
    }
    assert len(found) > 50
    assert {name: it for name, it in found.items() if it} == {}


def test_a_tryton_process_without_web_loads_neither_nereid_nor_boto3() -> None:
    program = (
        "import sys, nereid_async.task, nereid_async.deferral\n"
        "from trytond.config import config\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'boto3', 'nereid'}, loaded & {'boto3', 'nereid'}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
