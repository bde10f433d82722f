"""No test, helper or fixture uses a private name: what they need is public."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FOLDERS = ("tests", "benchmarks", "devtools")

#: Private names of others that there is no way around, by file, and why.
ALLOWED = {
    "devtools/apps.py": {
        # Nereid keeps the routes of an app beyond its end.
        "Website._url_adapter_cache",
        "Nereid._url_route_rule_cache",
        "Website._url_adapter_cache._clear",
        "Nereid._url_route_rule_cache._clear",
    },
    # Werkzeug's test client shows one cookie at a time, by its name.
    "devtools/browser.py": {"self.client._cookies"},
    # Tryton's models tell their fields nowhere else.
    "tests/integration/test_access.py": {
        "pool.get(view.model)._fields",
        "pool.get(view.model)._fields[field.get('name')]._type",
    },
    # trytond's pool of connections, and psycopg2's.
    "tests/integration/test_connections.py": {
        "trytond_backend.Database(database).connect()._connpool",
        "pool._used",
    },
    # As if a module of Tryton had never been activated.
    "tests/integration/test_deferral_errors.py": {"Pool._pool"},
    # Nereid's loader tells nobody whether it has looked.
    "tests/integration/test_templates.py": {"app.jinja_loader._loaders"},
    # Tasks with such names, which are to be refused.
    "tests/integration/test_what_may_run.py": {
        "script.record._hidden",
        "plain_tasks._hidden",
    },
}


def is_private(name: str) -> bool:
    """Whether a name, or the last part of a dotted one, is private."""
    last = name.rpartition(".")[2]
    return last.startswith("_") and not last.endswith("__")


def uses(tree: ast.AST) -> Iterator[str]:
    """The private names that a file uses of what is not itself."""
    defined = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    } | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            # Its own is what it defines; what it inherits is another one's.
            own = ast.unparse(node.value) in ("self", "cls") and node.attr in defined
            if not own and ast.unparse(node) != "os._exit":
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(alias.name for alias in node.names)]
            yield from filter(is_private, names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            # getattr, setattr, hasattr, delattr; also those of a monkeypatch.
            yield from (
                it.value
                for it in node.args[:2]
                if isinstance(it, ast.Constant)
                and isinstance(it.value, str)
                and is_private(it.value)
            )


def found(project: Path) -> dict[str, set[str]]:
    """The private names that are used, by file."""
    files = [it for folder in FOLDERS for it in (project / folder).rglob("*.py")]
    used = {
        str(it.relative_to(project)): uses(ast.parse(it.read_text())) for it in files
    }
    return {file: names for file, it in used.items() if (names := set(it))}


def test_private_names_are_left_alone() -> None:
    # Those that are not used any more are not to be allowed either.
    assert found(PROJECT) == ALLOWED


@pytest.mark.parametrize(
    "line",
    [
        "worker._keeper.stop()",
        "worker._polls = 1",
        "getattr(worker, '_keeper')",
        "monkeypatch.setattr(relay, '_PAUSE_S', 0)",
        "monkeypatch.setattr('nereid_async.web.hosts.Hosts._FRESH_S', 0)",
        "from nereid_async.cli import _run_retry",
        "from nereid_async._clock import now",
        "class Own(TaskRows):\n def f(self): self._mark()",
        "class Own(TaskRows):\n def f(self): super()._mark()",
    ],
)
def test_each_way_to_use_one_is_seen(line: str, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(line)
    assert len(found(tmp_path)) == 1


def test_what_a_class_has_itself_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        "class Own:\n"
        " def __init__(self): self._mine = 1\n"
        " def f(self): return self._mine, self._g()\n"
        " def _g(self): return __name__\n"
    )
    assert found(tmp_path) == {}
