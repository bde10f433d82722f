"""A contender's workers as processes: started, weighed, stopped."""

from __future__ import annotations

import os
import string
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.field import Command, Contender
from benchmarks.services import Place
from devtools.processes import Process, run

PROJECT = Path(__file__).parent.parent


class Workers:
    """The running processes of one contender."""

    def __init__(self, processes: list[Process]) -> None:
        self.processes = processes

    @property
    def pids(self) -> list[int]:
        """Of the commands; their processes are below them."""
        return [process.pid for process in self.processes]

    def pss_mb(self) -> float:
        """Memory of all of them, what is shared counted once, in MB (10^6 bytes)."""
        total_bytes = 0
        for process in self.processes:
            parent = psutil.Process(process.pid)
            for one in (parent, *parent.children(recursive=True)):
                try:
                    total_bytes += one.memory_full_info().pss
                except psutil.NoSuchProcess:
                    continue
        return total_bytes / 1e6

    def check(self) -> None:
        """Fail if one has ended."""
        for process in self.processes:
            process.wait_until(lambda: True, "it works")
            if process.exit_status is not None:
                raise SystemExit(f"{process.command} ended:\n{process.output}")


@contextmanager
def workers(
    contender: Contender, place: Place, processes: int, threads: int | None = None
) -> Iterator[Workers]:
    """Start a contender's workers.

    :param threads: of each process; None for what the contender is known with.
    """
    command = expanded(contender.worker(processes, threads), place)
    env = {**place.env, **contender.env}
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                Process(
                    command,
                    place.folder / f"{place.database}-worker-{i}.log",
                    env=env,
                    cwd=PROJECT,
                )
            )
            for i in range(contender.commands(processes))
        ]
        yield Workers(started)
        for process in started:
            # Nobody waits for the last poll of a queue that is not used any more.
            process.kill()


def expanded(command: Command, place: Place) -> Command:
    """Put the place's variables into a command."""
    return [string.Template(word).safe_substitute(place.env) for word in command]


def send(
    contender: Contender,
    place: Place,
    work: str,
    number: int,
    *options: str,
    timeout_s: float = 300,
) -> None:
    """Send tasks from a process of its own, and wait until they are sent."""
    run(
        [
            sys.executable,
            "-m",
            "benchmarks.send",
            contender.module,
            work,
            str(number),
            *options,
        ],
        place.folder / f"{place.database}-send.log",
        timeout_s=timeout_s,
        env={**os.environ, **place.env, **contender.env},
        cwd=PROJECT,
    )
