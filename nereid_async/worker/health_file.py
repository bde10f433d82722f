"""The health file, by which an orchestrator checks a worker."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

#: How often it is rewritten while nothing changes: a reader checks its age as well.
_REFRESH_S = 5.0


class HealthFile:
    """A file of one line: ``ok``, or what is wrong.

    It is rewritten every few seconds: a file older than a minute means that the worker
    has died or hangs.

    :param path: path of the file; None for no file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written_at_s = float("-inf")
        self._line = ""

    def write(self, trouble: str = "") -> None:
        """Write the worker's health. Never raises: a full disk must not end a worker.

        :param trouble: what is wrong; empty for ``ok``.
        """
        line = trouble or "ok"
        now_s = time.monotonic()
        if line == self._line and now_s - self._written_at_s < _REFRESH_S:
            return
        self._line, self._written_at_s = line, now_s
        if self._path is None:
            return
        # A random name, opened exclusively: in a folder that others may write to,
        # nobody can have put a link there.
        part = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        try:
            with part.open("x") as file:
                file.write(line + "\n")
            part.replace(self._path)
        except OSError as error:
            logger.warning("health file: %s", error)
            with suppress(OSError):
                part.unlink()

    def remove(self) -> None:
        """Remove the file, since the worker has ended."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
