"""What the page about tests shows, taken word by word into a folder, works."""

from __future__ import annotations

import os
from pathlib import Path

from devtools.databases import PROJECT
from devtools.processes import run, script
from tests.acceptance.own_shop import OwnShop
from tests.acceptance.test_readme_samples import FILES
from tests.marks import in_another_process
from tests.samples import samples

PAGE = samples(PROJECT / "docs" / "how-to" / "testing.rst")
README = samples(PROJECT / "README.rst")
WITH_PYTEST = ("test_with_pytest.py", "test_batch.py")
IN_MEMORY = ("conftest.py", "test_party.py", *WITH_PYTEST)
QUIET = ("-q", "-p", "no:cacheprovider")

_REGISTER = """\
from trytond.pool import Pool

def register():
    from . import {file}
    Pool.register({file}.{model}, module='{module}', type_='model')
"""
_CFG = """\
[tryton]
version=7.0.0
depends:
    {depends}
    async_sqs
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


def module(name: str, depends: str, file: str, model: str) -> dict[str, str]:
    """The rest of a Tryton module with one file, which is installed."""
    register = _REGISTER.format(file=file, model=model, module=name)
    return {
        f"{name}_module/tryton.cfg": _CFG.format(depends=depends),
        f"{name}_module/__init__.py": register,
        f"{name}-1.dist-info/METADATA": f"Name: {name}\nVersion: 1\n",
        f"{name}-1.dist-info/entry_points.txt": (
            f"[trytond.modules]\n{name} = {name}_module\n"
        ),
    }


def check(folder: Path, command: str, *arguments: str, **env: str) -> str:
    """Run a command in the folder to its end; returns what it says."""
    return run(
        [script(command), *arguments],
        folder / "process.log",
        env={"PYTHONPATH": str(folder), "PATH": os.environ["PATH"], **env},
        cwd=folder,
        timeout_s=180,
    )


@in_another_process
def test_in_memory(tmp_path: Path) -> None:
    """With unittest, and with pytest."""
    write(tmp_path, module("shop", "party", "party", "Party"))
    write(tmp_path, {"shop_module/party.py": PAGE["party.py"]})
    write(tmp_path, {name: PAGE[name] for name in IN_MEMORY})
    memory = {"TRYTOND_DATABASE_URI": "sqlite://", "DB_CACHE": str(tmp_path)}
    output = check(
        tmp_path, "python", "-m", "unittest", "-k", "tidied", "test_party", **memory
    )
    assert "Ran 1 test" in output
    output = check(tmp_path, "pytest", *QUIET, *WITH_PYTEST, **memory)
    assert "5 passed" in output


@in_another_process
def test_with_a_web_request(own_shop: OwnShop) -> None:
    """With the shop of the README."""
    own_shop.write_all(README, *FILES)
    own_shop.write_all(PAGE, "conftest.py", "test_report.py")
    own_shop.run(README["set up"])
    command = f"export TRYTOND_CONFIG=trytond.conf\npytest {' '.join(QUIET)}"
    assert "1 passed" in own_shop.run(command)


def test_each_block_is_tried() -> None:
    tried = {"party.py", "test_report.py", *IN_MEMORY}
    assert {name for name in PAGE if name.endswith(".py")} == tried
    # The rest shows how an assertion fails.
    (shown,) = PAGE.keys() - tried
    assert shown.startswith("party.party.tidy was deferred once")
