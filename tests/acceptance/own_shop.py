"""A shop in a folder of its own, made of nothing but what a page shows."""

from __future__ import annotations

import os
import sysconfig
from contextlib import ExitStack
from pathlib import Path

from devtools.processes import Process, free_port


class OwnShop:
    """A folder, and a shell in it.

    What is installed in the shell goes beside the folder, and the shell finds it.

    :param path: the folder.
    :param env: of all that runs in it.
    """

    def __init__(self, path: Path, stack: ExitStack, **env: str) -> None:
        self.path = path
        self.port = free_port()
        self._stack = stack
        installed = path.parent / "installed"
        places = sysconfig.get_paths(
            sysconfig.get_preferred_scheme("prefix"),
            {"base": str(installed), "platbase": str(installed)},
        )
        self.env = {
            "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
            # An editable install is found by a .pth file, which is not read there.
            "PYTHONPATH": f"{path}{os.pathsep}{places['purelib']}",
            "PIP_PREFIX": str(installed),
            # 0: off. setuptools is there, and nothing is fetched.
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "FLASK_RUN_PORT": str(self.port),
            **env,
        }

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        file = self.path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(f"{text}\n")

    def write_all(self, samples: dict[str, str], *names: str) -> None:
        """Write the samples that are named by the files they stand in."""
        for name in names:
            self.write(name, samples[name])

    def run(self, script: str) -> str:
        """Run a script of the shell to its end; what it printed."""
        process = self._start(script)
        assert process.wait(180) == 0, process.output
        return process.output

    def start(self, script: str) -> Process:
        """Start a script of the shell; its last command gets the signals."""
        *before, last = script.splitlines()
        return self._start("\n".join([*before, f"exec {last}"]))

    def _start(self, script: str) -> Process:
        log = self.path.parent / f"{len(list(self.path.parent.glob('*.log')))}.log"
        return self._stack.enter_context(
            Process(["bash", "-ec", script], log, env=self.env, cwd=self.path)
        )
