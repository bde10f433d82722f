"""Who may import whom: the layering of the package, and no work at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "nereid_async"

#: Parts that know the core; the core knows none of them.
OUTER = ("module", "web", "worker", "cli", "extension", "testing")

FILES = sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part(path: Path) -> str:
    """The top-level part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """The full names of all that a file imports, relative ones made absolute.

    :param at_import: only what is imported when the file is.
    """
    nodes = _at_import(path) if at_import else _everywhere(path)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(path, node)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _everywhere(path: Path) -> Iterator[ast.AST]:
    # What is only there for type checkers is not imported.
    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            yield child
            yield from walk(child)

    yield from walk(ast.parse(path.read_text()))


def _at_import(path: Path) -> Iterator[ast.AST]:
    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            yield child
            yield from walk(child)

    yield from walk(ast.parse(path.read_text()))


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = ["nereid_async", *path.relative_to(PACKAGE).parent.parts]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def test_the_reader_of_imports_reads(tmp_path: Path) -> None:
    assert FILES
    init = PACKAGE / "__init__.py"
    assert any(name.startswith("nereid_async.") for name in imports(init))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_the_core_knows_nothing_of_what_is_around_it(path: Path) -> None:
    if part(path) in OUTER or path == PACKAGE / "__init__.py":
        return
    for name in imports(path):
        for outer in OUTER:
            assert not f"{name}.".startswith(f"nereid_async.{outer}."), name


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_the_package_itself_imports_the_extension(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    for name in imports(path):
        assert not f"{name}.".startswith("nereid_async.extension."), name


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_nereid_only_where_the_web_is(path: Path) -> None:
    if part(path) in ("web", "extension", "testing"):
        return
    # The commands know Flask's way to find an app.
    web = {"nereid", "flask_login", *(() if part(path) == "cli" else ("flask",))}
    for name in imports(path):
        assert name.split(".")[0] not in web, name


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_boto3_only_where_sqs_is(path: Path) -> None:
    if path.name == "sqs.py":
        return
    for name in imports(path):
        assert name.split(".")[0] not in ("boto3", "botocore"), name


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_the_tryton_module_goes_by_its_own_name(path: Path) -> None:
    if part(path) == "module":
        return
    for name in imports(path):
        assert not f"{name}.".startswith("nereid_async.module."), name


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_environment_and_no_unpickling(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            of_os = isinstance(node.value, ast.Name) and node.value.id == "os"
            assert not (of_os and node.attr in ("environ", "getenv")), "environment"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), "evaluated"
    for name in imports(path):
        assert name.split(".")[0] not in ("pickle", "marshal", "shelve"), name


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
