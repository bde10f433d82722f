"""mypy and pyright find mistakes in the use of tasks, and invent none.

They see what a user has who works with the package installed editable, and the samples
of docs/how-to/types.rst.
"""

from __future__ import annotations

import json
import os
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
from tests.samples import samples

HERE = Path(__file__).parent
CHECKED = HERE / "checked"
PYRIGHT = HERE / "package.json"
PAGE = samples(PROJECT / "docs" / "how-to" / "types.rst")
PYTHON = ".venv/bin/python"
LOWEST_PYTHON = "3.10"

#: The errors of mypy, and of pyright, for each kind of mistake.
KINDS = {
    "argument": {"arg-type", "reportArgumentType"},
    "attribute": {"attr-defined", "reportAttributeAccessIssue"},
    "call": {"call-arg", "reportCallIssue"},
    "none": {"union-attr", "reportOptionalMemberAccess"},
    "option": {"call-overload", "reportCallIssue", "reportArgumentType"},
    "set": {"assignment", "reportAttributeAccessIssue"},
    "type": {"assignment", "reportAssignmentType"},
}
_MARK = re.compile(r"# error: (\w+)$")


class Found(NamedTuple):
    """An error that a checker reports."""

    place: str
    code: str


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has: code, and an environment with the package editable."""
    folder = tmp_path_factory.mktemp("user") / "project"
    shutil.copytree(CHECKED, folder)
    (folder / "pyproject.toml").write_text(PAGE["pyproject.toml"])
    for name in ("sample", "pool"):
        (folder / f"{name}.py").write_text(PAGE[name])
    venv.create(folder / ".venv", symlinks=True)
    (packages,) = folder.glob(".venv/lib/python*/site-packages")
    # What it needs is installed in our own one.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    command = PAGE["editable"].replace("/path/to/nereid_async", str(PROJECT))
    path = f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], env={"PATH": path}, check=True)
    return folder


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


def output(project: Path, *command: str | Path) -> str:
    """What a checker prints about the files; it fails if it finds errors."""
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def by_mypy(project: Path, cache: Path) -> Iterable[Found]:
    lines = output(
        project,
        script("mypy"),
        "--output=json",
        f"--python-version={LOWEST_PYTHON}",
        f"--cache-dir={cache / 'mypy'}",
        f"--python-executable={project / PYTHON}",
        *(f"--module={path.stem}" for path in project.glob("*.py")),
    )
    for error in map(json.loads, lines.splitlines()):
        if error["severity"] == "error":
            yield Found(f"{error['file']}:{error['line']}", error["code"])


def by_pyright(project: Path, pyright: Path) -> Iterable[Found]:
    lines = output(
        project,
        "node",
        pyright,
        "--outputjson",
        f"--pythonversion={LOWEST_PYTHON}",
        f"--pythonpath={project / PYTHON}",
    )
    told = json.loads(lines)
    assert told["summary"]["filesAnalyzed"] == len(list(project.glob("*.py")))
    for error in told["generalDiagnostics"]:
        line = error["range"]["start"]["line"] + 1
        yield Found(f"{Path(error['file']).name}:{line}", error.get("rule", "syntax"))


def check(project: Path, found: Iterable[Found]) -> None:
    """Compare what a checker has found with what is marked."""
    planted = {
        f"{path.name}:{number}": mark[1]
        for path in project.glob("*.py")
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


def test_mypy(project: Path, template_cache: Path) -> None:
    check(project, by_mypy(project, template_cache))


def test_pyright(project: Path, pyright: Path) -> None:
    check(project, by_pyright(project, pyright))
