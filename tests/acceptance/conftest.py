"""Fixtures of the acceptance tests: commands on a database of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.databases import PROJECT
from devtools.processes import Process, free_port, listens, script
from tests.acceptance.examples import Example
from tests.acceptance.own_shop import OwnShop
from tests.fixtures.scripts import Script

#: Commands find the modules of the tests, as they find a shop's in its folder.
PATH = {"PYTHONPATH": f"{PROJECT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


class Commands:
    """Starts commands; they end with the test.

    :param database: what they are to work on.
    :param conf: their trytond.conf.
    :param folder: for their logs.
    """

    def __init__(
        self, database: str, conf: Path, folder: Path, stack: ExitStack
    ) -> None:
        self.database = database
        self.conf = conf
        self._folder = folder
        self._stack = stack
        self._number = 0

    def start(self, *words: str | Path, **env: str) -> Process:
        """Start a command that is installed beside Python."""
        name, *arguments = words
        self._number += 1
        return self._stack.enter_context(
            Process(
                [script(str(name)), *arguments],
                self._folder / f"{name}-{self._number}.log",
                env={
                    **PATH,
                    "TRYTOND_CONFIG": str(self.conf),
                    "TEST_DATABASE": self.database,
                    "TEST_FOLDER": str(self._folder),
                    **env,
                },
                cwd=self._folder,
            )
        )

    def connect_to(self, uri: str) -> None:
        """Let commands from now on reach the databases by another address."""
        conf = self.conf.read_text()
        (before,) = re.findall("^uri = postgresql:.*$", conf, re.MULTILINE)
        self.conf.write_text(conf.replace(before, f"uri = {uri}"))

    def worker(self, *arguments: str, **env: str) -> Process:
        """Start ``nereid-async worker``."""
        words: tuple[str | Path, ...] = (
            "-c",
            self.conf,
            "-d",
            self.database,
            *arguments,
        )
        return self.start("nereid-async", "worker", *words, **env)

    def flask(self, *arguments: str) -> Process:
        """Start ``flask --app … async``."""
        return self.start(
            "flask", "--app", "tests.acceptance.web_app:create_app", "async", *arguments
        )

    def web(self) -> tuple[Process, str]:
        """Start the web app behind a real server; the process, and its address."""
        port = free_port()
        process = self.start(
            "waitress-serve",
            f"--listen=127.0.0.1:{port}",
            "--call",
            "tests.acceptance.web_app:create_app",
        )
        process.wait_until(lambda: listens(port), "it listens", 60)
        return process, f"http://127.0.0.1:{port}"

    def hold_for_a_second(self) -> None:
        """Let commands from now on receive for one second.

        A worker that is killed at once has no time to ask for the task's own hold.
        """
        self.hold_for(1)

    def hold_for(self, seconds: int) -> None:
        """Let commands from now on hold what they receive for so long at first."""
        self.set("visibility_timeout", seconds)

    def set(self, name: str, value: object, section: str = "async_sqs") -> None:
        """Let commands from now on have a setting, in a section that is there."""
        conf = self.conf.read_text()
        head = f"[{section}]\n"
        self.conf.write_text(conf.replace(head, f"{head}{name} = {value}\n"))

    def run(self, process: Process, timeout_s: float = 60) -> str:
        """Wait for a command that must succeed; its output."""
        status = process.wait(timeout_s)
        assert status == 0, process.output
        return process.output


@pytest.fixture
def commands(
    database: str,
    broker_settings: dict[str, str],
    trytond_conf: Callable[..., Path],
    smtp_server: Any,
    tmp_path: Path,
) -> Iterator[Commands]:
    """Commands on the shared database, on each of the brokers."""
    conf = trytond_conf(
        async_sqs={"signing_key": SECRET_KEY, **broker_settings},
        email={"uri": smtp_server.uri},
    )
    with ExitStack() as stack:
        yield Commands(database, conf, tmp_path, stack)


Start = Callable[[str], Example]


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Start]:
    """Copies an example, by its name, into a folder of the test."""
    with ExitStack() as stack:
        yield lambda name: Example(name, tmp_path / name, stack)


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[OwnShop]:
    """An empty folder for a shop."""
    path = tmp_path / "shop"
    path.mkdir()
    with ExitStack() as stack:
        yield OwnShop(path, stack)


__all__ = ["Commands", "Script", "Start", "commands", "example", "own_shop"]
