"""Tryton's web client, as npm has it: a folder that trytond serves."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from devtools.missing import missing
from devtools.processes import ProcessFailed, run
from tests.caches import made_once

CLIENT = "tryton-sao@7.0.56"
#: What the client gets by bower in its own installation.
LIBRARIES = Path(__file__).with_name("package.json")


def web_client(cache: Path, log: Path) -> Path:
    """The client's folder; installed once, then kept.

    :param cache: where it is kept between runs.
    :param log: for what npm says.
    """

    def install(folder: Path) -> None:
        if shutil.which("npm") is None:
            missing("npm; apt install npm")
        folder.mkdir(parents=True)
        try:
            _install(folder, log)
        except ProcessFailed as error:
            missing(f"the Tryton web client: {error}")

    folder = made_once(cache / "sao", [LIBRARIES, Path(__file__)], install)
    return folder / "package"


def _install(folder: Path, log: Path) -> None:
    # Their own installation would run scripts, and fail for want of bower.
    run(["npm", "pack", "--silent", CLIENT], log, timeout_s=120, cwd=folder)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    shutil.copy(LIBRARIES, folder)
    run(
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
        log,
        timeout_s=300,
        cwd=folder,
    )
    libraries = folder / "node_modules"
    # Where bower puts them.
    (libraries / "sortablejs").rename(libraries / "Sortable")
    shutil.copy(libraries / "d3/dist/d3.min.js", libraries / "d3/d3.min.js")
    libraries.rename(folder / "package" / "bower_components")
