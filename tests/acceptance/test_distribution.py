"""What is uploaded: it is complete, has nothing else in it, and can be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest

from devtools.databases import PROJECT
from nereid_async import __version__, versions
from tests.samples import samples

MODULE = "trytond/modules/async_sqs"
#: Not part of the sources: environments, caches, and what was built before.
LEFT_BEHIND = shutil.ignore_patterns(
    ".*", "__pycache__", "node_modules", "*.egg-info", "build", "dist", "_build"
)


def run(*command: str | Path, stdin: str = "", **env: str) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with what is built of a checkout in which work was done."""
    folder = tmp_path_factory.mktemp("dist")
    checkout = folder / "checkout"
    shutil.copytree(PROJECT, checkout, ignore=LEFT_BEHIND, symlinks=True)
    stale = checkout / "docs" / "_build" / "index.html"
    stale.parent.mkdir()
    stale.touch()
    (checkout / "data").mkdir(exist_ok=True)
    (checkout / "data" / "secret_key").touch()
    run(sys.executable, "-m", "build", "--outdir", folder, checkout)
    yield folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


def sources(folder: str, *patterns: str) -> set[str]:
    return {
        path.relative_to(PROJECT).as_posix()
        for pattern in patterns
        for path in (PROJECT / folder).rglob(pattern)
    }


def installed_as(source: str) -> str:
    """Where a file of the sources is in the wheel."""
    return source.replace("nereid_async/module", MODULE)


def test_they_can_be_uploaded(dist: Path) -> None:
    built = [path for path in dist.iterdir() if path.is_file()]
    assert {path.name for path in built} == {
        f"nereid_async-{__version__}.tar.gz",
        f"nereid_async-{__version__}-py3-none-any.whl",
    }
    run(sys.executable, "-m", "twine", "check", "--strict", *built)


def test_what_is_in_the_wheel(wheel: Path) -> None:
    """All code and data of the package, and nothing else."""
    data = ("*.py", "*.js", "*.xml", "*.po", "*.pot", "py.typed", "tryton.cfg")
    expected = {installed_as(it) for it in sources("nereid_async", *data)}
    named = {
        "nereid_async/py.typed",
        "nereid_async/web/static/client.js",
        f"{MODULE}/tryton.cfg",
        f"{MODULE}/task.xml",
        f"{MODULE}/view/task_form.xml",
        f"{MODULE}/locale/de.po",
    }
    assert named <= expected
    with zipfile.ZipFile(wheel) as archive:
        found = {it for it in archive.namelist() if ".dist-info/" not in it}
        metadata = archive.read(f"nereid_async-{__version__}.dist-info/METADATA")
    assert found == expected
    about = Parser().parsestr(metadata.decode())
    assert (about["Name"], about["Version"]) == ("nereid_async", __version__)
    assert about["License-Expression"] == "GPL-3.0-or-later"


def test_what_is_in_the_sdist(dist: Path) -> None:
    """What the wheel is made of; neither tests, nor the example, nor what was built."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {it.name.partition("/")[2] for it in archive if it.isfile()}
    package = sources("nereid_async", "*.py", "*.js", "*.xml", "*.po", "*.pot")
    package |= {"nereid_async/py.typed", "nereid_async/module/tryton.cfg"}
    texts = {"README.rst", "LICENSE", "CHANGELOG.rst", "SECURITY.rst"}
    made = {"PKG-INFO", "setup.cfg", "MANIFEST.in", "setup.py", "pyproject.toml"}
    others = {it for it in names if not it.startswith("nereid_async.egg-info/")}
    assert others == package | texts | made


def test_the_version_is_in_one_place() -> None:
    """The number of the Tryton module is that of Tryton's series, as Tryton has it."""
    files = sources("nereid_async", "*.py", "*.cfg", "*.js") | {"pyproject.toml"}
    having = {it for it in files if f'"{__version__}"' in (PROJECT / it).read_text()}
    assert having == {"nereid_async/_version.py"}
    cfg = ConfigParser()
    cfg.read(PROJECT / "nereid_async" / "module" / "tryton.cfg")
    assert cfg["tryton"]["version"] == f"{versions.SERIES[0]}.0"


@pytest.mark.backends("sqlite")
def test_installed_as_the_readme_says(wheel: Path, tmp_path: Path) -> None:
    """Into an empty environment, from the index of this machine, and activated."""
    lines = samples(PROJECT / "README.rst")["install"].splitlines()
    assert "'nereid_async[" in lines[0]
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env")
    scripts = tmp_path / "env" / "bin"
    # A pip of another environment, for one of its own takes seconds to install.
    pip = f"{sys.executable} -m pip --quiet --python {scripts}/python"
    for line in lines:
        line = line.replace("'nereid_async[", f"'{wheel}[").replace("pip", pip, 1)
        run("bash", "-ec", line, PIP_NO_COMPILE="1")
    assert __version__ in run(scripts / "nereid-async", "--version")
    assert "worker" in run(scripts / "nereid-async", "--help")

    conf, password = tmp_path / "trytond.conf", tmp_path / "password"
    conf.write_text(
        f"[database]\nuri = sqlite://\npath = {tmp_path}\n"
        "[async_sqs]\nsigning_key = of-this-test-and-no-other\n"
    )
    password.write_text("of this test")
    (tmp_path / "shop.sqlite").touch()
    database = ("-c", conf, "-d", "shop")
    run(
        *(scripts / "trytond-admin", *database, "-u", "async_sqs"),
        *("--activate-dependencies", "--email", ""),
        stdin="\n",
        TRYTONPASSFILE=str(password),
    )
    checked = run(scripts / "nereid-async", "check", *database)
    assert "the module activated and up to date" in checked
