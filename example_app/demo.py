"""The whole shop on this machine: ``python -m example_app.demo --port 5000``.

Sets up the data folder, then runs a mail server that keeps what it gets, the web
server and a worker, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from .folder import DataFolder
from .processes import HOST, ChildDied, Children, free_port, is_free

#: More than the worker grants a task that runs, in seconds.
STOP_WITHIN_S = 40.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """What the signals ask for: to stop, and the second time to hurry."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurry = threading.Event()
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        (self.hurry if self.asked.is_set() else self.asked).set()


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status: 0 after a stop that was asked for."""
    options = _parse(arguments)
    if not is_free(options.port):
        print(
            f"Port {options.port} is taken. Choose another one: "
            f"make demo PORT={options.port + 1}",
            file=sys.stderr,
        )
        return 2
    folder = DataFolder(options.data.resolve())
    smtp_port = free_port()
    stop = Stop()
    children = Children(
        {
            "EXAMPLE_DATA": str(folder.path),
            "PYTHONUNBUFFERED": "1",
            "TRYTOND_EMAIL__URI": f"smtp://{HOST}:{smtp_port}",
            # Where links in tasks lead, whatever Host a request names.
            "ASYNC_BASE_URL": os.environ.get(
                "ASYNC_BASE_URL", f"http://{HOST}:{options.port}/"
            ),
        },
        stop.asked,
    )
    status = 0
    try:
        _run(children, folder, options.port, smtp_port, stop)
    except ChildDied as death:
        print(f"{death} Stopping the rest.", file=sys.stderr, flush=True)
        status = 1
    if stop.asked.is_set():
        print("Stopping (Ctrl-C again: at once) ...", flush=True)
    children.stop(STOP_WITHIN_S, stop.hurry)
    if not status:
        print("Stopped.", flush=True)
    return status


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--data", type=Path, default=Path("data"))
    return parser.parse_args(arguments)


def _run(
    children: Children, folder: DataFolder, port: int, smtp_port: int, stop: Stop
) -> None:
    """Start one after the other, and watch until the stop."""
    children.start("set-up", _python("example_app.setup_database"))
    children.wait_for_end("set-up")
    # The mail server comes first, so that it is stopped last: the worker may still
    # be sending when it is asked to stop.
    smtp = f"-n -l {HOST}:{smtp_port} -c aiosmtpd.handlers.Mailbox".split()
    worker = "--app example_app async worker --threads 4".split()
    for name, command, own_port in (
        ("mail server", _python("aiosmtpd", *smtp, str(folder.mailbox)), smtp_port),
        ("worker", _python("flask", *worker), None),
        ("web server", _python("example_app.serve", "--port", str(port)), port),
    ):
        if stop.asked.is_set():
            return
        children.start(name, command)
        if own_port is not None:
            children.wait_for_port(own_port)
    if not stop.asked.is_set():
        print(_welcome(port), flush=True)
    children.watch()


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _welcome(port: int) -> str:
    address = f"http://{HOST}:{port}"
    return f"""
  The shop is open:    {address}/
  The mails it sends:  {address}/mailbox
  Your tasks:          {address}/tasks
  All tasks by state:  {address}/stats

  Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
