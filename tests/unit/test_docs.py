"""The pages for developers name files, classes and functions that exist.

A page names them in literals::

    worker/runner.py             a file or folder: of the project, or of nereid_async/
    worker/runner.py:Runner.run  a class or function in a file; of a test behind ``::``
    runner.Runner, Runner.run    a module's or a class's, wherever that is
    Runner                       a class
    async_run.attempt            a column
    ASYNC_BROKER                 a setting
    make test                    a target of the Makefile

A literal block is searched for those with a slash or a dot. Other literals are code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from docutils import nodes

from nereid_async.messages.outcome import State
from tests.pages import document

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "nereid_async"
PAGES = (
    "docs/explanation/architecture.rst",
    "docs/explanation/glossary.rst",
    "CONTRIBUTING.rst",
    "SECURITY.rst",
    "tests/README.rst",
)

#: The models whose fields are the columns of the tables.
TABLES = {"async_run.": "Run.", "async_task.": "Task."}
#: What names of other packages begin with.
OTHERS = {"trytond"}

_PLACE = re.compile(r"([\w./-]+\.\w+)::?([A-Za-z_]\w*(?:(?:\.|::)\w+)*)")
_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:py|rst|toml|txt|yaml|js)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z]\w*)?")
_SETTING = re.compile(r"ASYNC_([A-Z_]+)\b.*")
_TARGET = re.compile(r"make ([a-z-]+)\b.*")
_IN_A_BLOCK = re.compile(
    "|".join(rf"(?<![\w/]){it.pattern}" for it in (_PLACE, _PATH, _DOTTED))
)


def names(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """What a module or class defines, members as ``Class.member``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from names(node, f"{prefix}{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        yield from (prefix + it.id for it in targets if isinstance(it, ast.Name))


@cache
def names_in(path: Path) -> frozenset[str]:
    return frozenset(names(ast.parse(path.read_text())))


@cache
def names_anywhere() -> frozenset[str]:
    """All that the package defines, also as ``module.name``."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        found |= names_in(path)
        found |= {f"{path.stem}.{name}" for name in names_in(path)}
    return frozenset(found)


def found(path: str) -> Path | None:
    """The file or folder that a page means."""
    places = (place / path for place in (PROJECT, PACKAGE))
    return next((place for place in places if place.exists()), None)


def is_true(name: str) -> bool:
    """Whether what a literal names exists; True for one that is code."""
    if place := _PLACE.fullmatch(name):
        path = found(place[1])
        return path is not None and place[2].replace("::", ".") in names_in(path)
    if _PATH.fullmatch(name):
        return found(name) is not None
    if _DOTTED.fullmatch(name) or _CLASS.fullmatch(name):
        for table, model in TABLES.items():
            name = name.replace(table, model)
        return name.partition(".")[0] in OTHERS or name in names_anywhere()
    if setting := _SETTING.fullmatch(name):
        options = names_in(PACKAGE / "settings" / "record.py")
        return f"Settings.{setting[1].lower()}" in options
    if target := _TARGET.fullmatch(name):
        targets = re.findall(r"^([\w -]+):(?!=)", _makefile(), re.MULTILINE)
        return target[1] in " ".join(targets).split()
    return True


def _makefile() -> str:
    return (PROJECT / "Makefile").read_text()


def named(text: str) -> Iterator[str]:
    """All that a page names in literals."""
    tree = document(text)
    for literal in tree.findall(nodes.literal):
        yield literal.astext()
    for block in tree.findall(nodes.literal_block):
        # Commands and samples say in which language they are.
        if "code" not in block["classes"]:
            yield from (it[0] for it in _IN_A_BLOCK.finditer(block.astext()))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    text = (PROJECT / page).read_text()
    assert seen_as_false(text) == []


def test_each_folder_of_tests_is_told() -> None:
    text = (PROJECT / "tests" / "README.rst").read_text()
    folders = {path.parent for path in (PROJECT / "tests").rglob("test_*.py")}
    assert [it.name for it in folders if f"``tests/{it.name}/``" not in text] == []


PLACES_OF_NOTHING = [
    "worker/no_such_file.py",
    "tests/no_such_folder/",
    "worker/runner.py:Runner.no_such_method",
    "worker/runner.py:no_such_function",
    "worker/no_such_file.py:Runner",
    "tests/unit/test_docs.py::test_no_such_thing",
    "Runner.no_such_method",
    "runner.no_such_function",
    "no_such_module.execute",
]


def test_the_architecture_names_what_there_is() -> None:
    """Each state, each way a delivery ends, and each file of statements."""
    page = (PROJECT / "docs" / "explanation" / "architecture.rst").read_text()
    states = {state.value for state in State}
    ends = {
        name
        for name in names_in(PACKAGE / "worker" / "settlement.py")
        if name.startswith("Settlement.") and "._" not in name
    }
    rows = {f"rows/{path.name}" for path in (PACKAGE / "rows").glob("[!_]*.py")}
    assert ends and rows
    assert {name for name in states | ends | rows if name not in page} == set()


def seen_as_false(text: str) -> list[str]:
    return [name for name in named(text) if not is_true(name)]


@pytest.mark.parametrize(
    "name",
    [
        *PLACES_OF_NOTHING,
        "NoSuchClass",
        "async_run.no_such_column",
        "ASYNC_NO_SUCH_SETTING = yes",
        "make no-such-target",
    ],
)
def test_a_name_of_nothing_is_seen(name: str) -> None:
    assert seen_as_false(f"See ``{name}``.\n") == [name]


@pytest.mark.parametrize("name", PLACES_OF_NOTHING)
def test_a_name_of_nothing_is_seen_in_a_drawing(name: str) -> None:
    assert seen_as_false(f"::\n\n    see {name} --> there\n") == [name]


@pytest.mark.parametrize(
    "name",
    [
        "nereid_async/worker/",
        "worker/runner.py",
        "worker/runner.py:Runner.run",
        "tests/unit/test_docs.py::test_a_true_name_is_taken",
        "Runner.run",
        "execution.Execution",
        "async_task.message",
        "Runner",
        "ASYNC_OUTBOX = no",
        "make test",
        "/async/result/<uuid>",
        "Model.method.defer(args)",
    ],
)
def test_a_true_name_is_taken(name: str) -> None:
    assert is_true(name)
