"""mypy and pyright find mistakes in the use of tasks, and invent none.

They see what a user has who works with the package installed editable (docs/types.rst).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from devtools.databases import PROJECT
from devtools.missing import missing
from devtools.processes import ProcessFailed, run, script
from tests.caches import made_once

HERE = Path(__file__).parent
CHECKED = HERE / "checked"
PYRIGHT = HERE / "package.json"

#: The errors of mypy, and of pyright, for each kind of mistake.
KINDS = {
    "argument": {"arg-type", "reportArgumentType"},
    "attribute": {"attr-defined", "reportAttributeAccessIssue"},
    "call": {"call-arg", "reportCallIssue"},
    "none": {"union-attr", "reportOptionalMemberAccess"},
    "option": {"call-overload", "reportCallIssue", "reportArgumentType"},
    "type": {"assignment", "reportAssignmentType"},
}
_MARK = re.compile(r"# E: (\w+)$")


class Found(NamedTuple):
    """An error that a checker reports."""

    place: str
    code: str


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the package editable, and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    # An editable installation is invisible to checkers; this line makes it visible.
    paths = f"{PROJECT}\n{sysconfig.get_path('purelib')}\n"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "checkout.pth").write_text(paths)
    return python


@pytest.fixture(scope="module")
def pyright(template_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of pyright; installed once, then kept."""
    log = tmp_path_factory.mktemp("pyright") / "npm.log"

    def install(folder: Path) -> None:
        if shutil.which("npm") is None:
            missing("npm; apt install npm")
        folder.mkdir(parents=True)
        shutil.copy(PYRIGHT, folder)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--silent"]
        try:
            run(command, log, timeout_s=300, cwd=folder)
        except ProcessFailed as error:
            missing(f"pyright: {error}")

    folder = made_once(template_cache / "pyright", [PYRIGHT], install)
    return folder / "node_modules" / "pyright" / "index.js"


def output(*command: str | Path) -> str:
    """What a checker prints about the files; it fails if it finds errors."""
    done = subprocess.run(
        command, cwd=CHECKED, capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def by_mypy(python: Path, cache: Path) -> Iterable[Found]:
    lines = output(
        script("mypy"),
        "--output=json",
        f"--cache-dir={cache / 'mypy'}",
        f"--python-executable={python}",
        "--module=right",
        "--module=mistakes",
    )
    for error in map(json.loads, lines.splitlines()):
        if error["severity"] == "error":
            yield Found(f"{error['file']}:{error['line']}", error["code"])


def by_pyright(python: Path, pyright: Path) -> Iterable[Found]:
    told = json.loads(output("node", pyright, "--outputjson", "--pythonpath", python))
    assert told["summary"]["filesAnalyzed"] == 2
    for error in told["generalDiagnostics"]:
        line = error["range"]["start"]["line"] + 1
        yield Found(f"{Path(error['file']).name}:{line}", error.get("rule", "syntax"))


def check(found: Iterable[Found]) -> None:
    """Compare what a checker has found with what is marked."""
    planted = {
        f"{path.name}:{number}": mark[1]
        for path in CHECKED.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (mark := _MARK.search(line))
    }
    errors = sorted(set(found))
    codes = {place: KINDS[kind] for place, kind in planted.items()}
    right = {it.place for it in errors if it.code in codes.get(it.place, set())}
    invented = [it for it in errors if it.place not in right]
    missed = sorted(planted.keys() - right)
    counts = f"{len(right)} found of {len(planted)}, {len(invented)} invented"
    print(counts)
    assert (missed, invented) == ([], []), counts
    assert len(planted) > 100


def test_mypy(python: Path, template_cache: Path) -> None:
    check(by_mypy(python, template_cache))


def test_pyright(python: Path, pyright: Path) -> None:
    check(by_pyright(python, pyright))
