"""Whose turn it is to poll: of idle processes one asks the queue, the others wait.

Each long poll is billed, however many processes wait for the same message.
"""

from __future__ import annotations

import os
import select

#: Longer than any poll takes: whoever had the turn then has died with it.
_LOST_AFTER_S = 120.0


class Turn:
    """A byte in a pipe that the processes of one worker hand to each other.

    Made before they fork. Should there be two bytes, two processes may poll, until one
    of them takes both.
    """

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        #: By this process, since anybody is known to have had the turn.
        self._waited_s = 0.0
        self.pass_on()

    def take(self, timeout_s: float, bell_fd: int) -> bool:
        """Wait for the turn; whether it came before the time was over or the bell rang.

        :param bell_fd: becomes readable when the process is to do something else.
        """
        ready, _, _ = select.select([self._read_fd, bell_fd], [], [], timeout_s)
        if bell_fd in ready:
            return False
        if not ready:
            self._waited_s += timeout_s
            if self._waited_s < _LOST_AFTER_S:
                return False
        elif not self._read():
            # Another process was faster: there is one that polls.
            self._waited_s = 0.0
            return False
        self._waited_s = 0.0
        return True

    def _read(self) -> bool:
        try:
            return bool(os.read(self._read_fd, 1_024))
        except BlockingIOError:
            return False

    def pass_on(self) -> None:
        """Let another process poll."""
        os.write(self._write_fd, b"!")
