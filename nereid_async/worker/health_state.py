"""The health of a worker, in memory that its parent shares with who serves it."""

from __future__ import annotations

import mmap
import struct
import time
from dataclasses import dataclass

#: When it was written, whether tasks are taken, and what is wrong.
_STATE = struct.Struct("d?512s")
#: The parent writes once a second. One that has not for so long hangs.
_STALE_AFTER_S = 60.0


@dataclass(frozen=True)
class Health:
    """How a worker fares.

    :ivar ready: whether it takes tasks: it is not stuck, not draining, and not all
        threads of a process are beyond the time limits of their tasks.
    :ivar text: ``ok``, or what is wrong. A worker that is ready may be ``busy: …``.
    """

    ready: bool
    text: str


class HealthState:
    """The latest health that was written. Must be made before the fork.

    Written by one process, read by others.
    """

    def __init__(self) -> None:
        self._memory = memoryview(mmap.mmap(-1, _STATE.size))
        self.write(Health(False, "starting"))

    def write(self, health: Health) -> None:
        """Write the health of now."""
        text = health.text.encode("utf-8", "replace")
        _STATE.pack_into(self._memory, 0, time.monotonic(), health.ready, text)

    def read(self) -> Health:
        """The health of now; not ready if it was written too long ago."""
        at_s, ready, text = _STATE.unpack_from(self._memory, 0)
        if time.monotonic() - at_s > _STALE_AFTER_S:
            return Health(False, "stuck: the parent of the processes does not answer")
        return Health(ready, text.rstrip(b"\0").decode("utf-8", "replace"))

    @property
    def is_alive(self) -> bool:
        """Whether it was written lately."""
        at_s, _, _ = _STATE.unpack_from(self._memory, 0)
        return bool(time.monotonic() - at_s <= _STALE_AFTER_S)
