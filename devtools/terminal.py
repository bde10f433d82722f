"""A terminal of its own for a command, and pictures of what it shows."""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_ROWS = 50
_CLEAR = "\x1b[2J\x1b[1;1H"
_STYLE = re.compile("\x1b\\[([0-9;]*)m")
#: CSS of the styles that click uses, by their numbers.
_CSS = {
    "1": "font-weight: bold",
    "2": "opacity: .6",
    "31": "color: #ff7b72",
    "32": "color: #7ee787",
    "33": "color: #e3b341",
}
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; display: inline-block; background: #0d1117; color: #e6edf3 }
pre { margin: 0; padding: 16px 20px; font: 14px/1.4 "DejaVu Sans Mono", monospace }
</style><pre>"""


def run(
    command: Sequence[str | Path],
    *,
    columns: int,
    env: Mapping[str, str],
    cwd: Path,
    until: Callable[[str], bool] | None = None,
    timeout_s: float = 60,
) -> str:
    """Run a command in a terminal; what that shows in the end, with its styles.

    :param columns: how wide the terminal is, in characters.
    :param until: of what it has written so far; then Ctrl-C is pressed. None to wait
        for its end.
    :raises TimeoutError: neither has come about.
    """
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", _ROWS, columns, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **env},
        cwd=cwd,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        written = _read(ours, until, time.monotonic() + timeout_s)
        process.send_signal(signal.SIGINT)
        process.wait(timeout_s)
    finally:
        process.kill()
        os.close(ours)
    return written.replace("\r\n", "\n").rpartition(_CLEAR)[2]


def _read(ours: int, until: Callable[[str], bool] | None, deadline_s: float) -> str:
    written = b""
    while time.monotonic() < deadline_s:
        try:
            more = os.read(ours, 65_536)
        except OSError:
            # The last one who could write has gone.
            more = b""
        written += more
        text = written.decode(errors="replace")
        if not more or (until is not None and until(text)):
            return text
    raise TimeoutError(written[-2_000:])


def as_html(prompt: str, shown: str) -> str:
    """A page that looks like the terminal.

    :param prompt: the command, as a user types it.
    :param shown: what :func:`run` returns.
    """
    parts, opened = [html.escape(f"$ {prompt}\n")], False
    for i, part in enumerate(_STYLE.split(shown)):
        if i % 2 == 0:
            parts.append(html.escape(part))
            continue
        css = "; ".join(_CSS[it] for it in part.split(";") if it in _CSS)
        parts += ["</span>"] * opened + [f'<span style="{css}">'] * bool(css)
        opened = bool(css)
    return _PAGE + "".join(parts) + "</span>" * opened + "</pre>"


def picture(page: Page, path: Path, prompt: str, shown: str) -> None:
    """Write a picture of a terminal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.set_content(as_html(prompt, shown))
    page.locator("body").screenshot(path=path)
