"""The health file: what an orchestrator looks at to learn how a worker is."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

#: How often it is written while nothing changes: its age is part of what it tells.
_REFRESH_S = 5.0


class HealthFile:
    """One line: ``ok``, or what is wrong.

    It is written anew every few seconds, so one that is older than a minute means
    that the worker is gone or hangs.

    :param path: where; None for none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written_at_s = float("-inf")
        self._line = ""

    def write(self, trouble: str = "") -> None:
        """Tell how the worker is. Never raises: health is not worth a worker."""
        line = trouble or "ok"
        now_s = time.monotonic()
        if line == self._line and now_s - self._written_at_s < _REFRESH_S:
            return
        self._line, self._written_at_s = line, now_s
        if self._path is None:
            return
        # A name that nobody has put a link under: others may write to the folder.
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
        """The worker has ended."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
