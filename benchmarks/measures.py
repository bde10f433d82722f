"""What tasks leave behind, and what is made of it."""

from __future__ import annotations

import os
import statistics
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: When a task was sent and when it started, on the system's monotonic clock.
_MARK = struct.Struct("dd")

_fds: dict[tuple[int, str], int] = {}


def mark(path: str, sent_at_s: float) -> None:
    """Note that a task starts now; the same few microseconds for everybody."""
    key = (os.getpid(), path)
    if key not in _fds:
        _fds[key] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_fds[key], _MARK.pack(sent_at_s, time.monotonic()))


def count(path: Path) -> int:
    """How many tasks have started."""
    return path.stat().st_size // _MARK.size if path.exists() else 0


@dataclass(frozen=True)
class Marks:
    """Tasks that started, in the order they did.

    :ivar pairs: when each was sent, and when it started, in seconds.
    """

    pairs: list[tuple[float, float]]

    @classmethod
    def read(cls, path: Path) -> Marks:
        """Read what :func:`mark` has written."""
        content = path.read_bytes() if path.exists() else b""
        return cls(list(_MARK.iter_unpack(content)))

    def rate(self) -> float:
        """Tasks a second, from the first tenth of the tasks to the last."""
        starts = [start_s for _, start_s in self.pairs][len(self.pairs) // 10 :]
        if len(starts) < 2:
            return 0.0
        return (len(starts) - 1) / (starts[-1] - starts[0])

    def latencies_ms(self) -> list[float]:
        """From sent to started, in milliseconds."""
        return [(start_s - sent_s) * 1_000 for sent_s, start_s in self.pairs]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """The median; of nothing, not a number."""
    return statistics.median(values) if values else float("nan")
