"""Tasks of every kind work on each Python that this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.databases import PROJECT
from devtools.missing import missing
from devtools.processes import ProcessFailed, run
from tests.caches import made_once

PYPROJECT = PROJECT / "pyproject.toml"

#: The versions that the package says it works on.
VERSIONS = re.findall(r"Python :: (3\.\d+)", PYPROJECT.read_text())

#: What depends on the Python: how it makes methods, and what decorators see of them.
TESTS = ("tests/integration/test_deferral.py", "tests/unit/test_task_options.py")

#: What these tests need, by the recipe of README.rst, "Installing beside Nereid".
NEEDED = ("-e", ".[nereid-parts]", "hypothesis", "pylibmagic", "pytest", "requests")
WITHOUT_DEPENDENCIES = ("m9s-nereid", "m9s-nereid-base", "-e", "./tests/tryton")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # A machine with a single Python tries that one, in an environment of its own.
    found = dict(other_pythons()) or {"itself": sys.executable}
    metafunc.parametrize("python", found.values(), ids=found)


def other_pythons() -> Iterator[tuple[str, str]]:
    """Versions besides the one that runs here, and their programs."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for version in VERSIONS:
        name = f"python{version}"
        programs = [shutil.which(name), *map(str, sorted(pyenv.glob(f"*/bin/{name}")))]
        working = next(filter(_works, filter(None, programs)), None)
        if working and version != "{}.{}".format(*sys.version_info):
            yield version, working


def _works(program: str) -> bool:
    # pyenv's own names for Pythons that are not switched on do nothing but complain.
    command = [program, "-c", "import ensurepip, sqlite3, venv"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def environment(python: str, template_cache: Path, tmp_path: Path) -> Path:
    """A virtual environment of this Python; made once, then kept."""

    def install(folder: Path) -> None:
        try:
            _install(python, folder, tmp_path / "pip.log")
        except ProcessFailed as error:
            missing(f"the packages that these tests need on {python}: {error}")

    return made_once(
        template_cache / f"environment-{Path(python).name}",
        [PYPROJECT, PROJECT / "constraints.txt", Path(__file__)],
        install,
    )


def _install(python: str, folder: Path, log: Path) -> None:
    run([python, "-m", "venv", folder], log)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    for words in (NEEDED, ("--no-deps", *WITHOUT_DEPENDENCIES)):
        command = [*pip, "-c", "constraints.txt", *words]
        run(command, log, timeout_s=300, cwd=PROJECT)


def test_kinds_of_tasks(environment: Path, tmp_path: Path) -> None:
    output = run(
        [environment / "bin" / "python", "-m", "pytest", "--database=sqlite", "-q",
         "-o", f"cache_dir={environment / 'cache'}", *TESTS],
        tmp_path / "pytest.log",
        timeout_s=300,
        # What it cannot test here (SQS's likeness is not installed), others do.
        env={"CI": ""},
        cwd=PROJECT,
    )  # fmt: skip
    assert " passed" in output
