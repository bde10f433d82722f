"""Receives from one receiver what its process has room for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..brokers.base import Delivery, Receiver
from ..errors import NereidAsyncError
from ..throttled_log import ThrottledLog
from .dispatch import Dispatcher
from .intervals import Intervals
from .poll_state import PollState
from .poll_token import PollToken

logger = logging.getLogger(__name__)


class Poller:
    """Polls in the calling thread until told to stop, or in burst until all is done.

    :param intake: takes what is received.
    :param state: shared with the other pollers of the process.
    :param beat: called after each poll that was answered, and while it is not to poll.
    :param token: shared with other processes that poll the same; None for none.
    """

    def __init__(
        self,
        receiver: Receiver,
        dispatcher: Dispatcher,
        state: PollState,
        beat: Callable[[], None],
        token: PollToken | None,
        intervals: Intervals,
    ) -> None:
        self._receiver = receiver
        self._dispatcher = dispatcher
        self._state = state
        self._beat = beat
        self._token = token
        self._intervals = intervals
        self._log = ThrottledLog(logger)
        #: Whether the last poll brought nothing.
        self._quiet = True
        #: How many polls have failed since the last one that was answered.
        self._failures = 0
        #: When it was last seen to go on, whatever came of it.
        self.went_on_at_s = time.monotonic()

    def run(self) -> None:
        """Poll until there is a reason not to."""
        while self._state.goes_on(self._quiet):
            self.went_on_at_s = time.monotonic()
            try:
                if self._poll():
                    self._failures = 0
                if not self._failures:
                    self._beat()
            except Exception as error:
                # A process that does not poll is worth nothing: whatever it was, go on.
                self._quiet = True
                self._failures += 1
                self._tell(error)
                self._state.wakeup.wait(self._failure_pause_s)

    def _tell(self, error: Exception) -> None:
        self._log.log(
            logging.WARNING,
            type(error).__name__,
            "receiving from %s failed: %s",
            self._receiver.name,
            error,
            exc_info=not isinstance(error, NereidAsyncError),
        )

    @property
    def _failure_pause_s(self) -> float:
        pause_s = self._intervals.first_failure_pause_s
        pause_s *= 2.0 ** min(self._failures - 1, 30)
        return min(pause_s, self._intervals.longest_failure_pause_s)

    def _poll(self) -> bool:
        """Receive, if that is to be now; whether it was."""
        if self._state.burst:
            # What the tasks here have deferred is to run as well.
            self._dispatcher.flush()
        taken, idle = self._dispatcher.taken, self._dispatcher.idle
        deliveries = self._receive()
        if deliveries is None:
            return False
        self._quiet = not deliveries
        if deliveries:
            self._dispatcher.take(deliveries)
        elif idle:
            # Nothing came, and nobody was running what might have made more.
            self._state.found_empty(self._receiver.name, taken)
        return True

    def _receive(self) -> list[Delivery] | None:
        """Receive; None if the threads are busy, or it is not this process's turn."""
        if not self._dispatcher.room(self._intervals.room_wait_s):
            return None
        if not self._quiet:
            # More may follow, and whoever has the token need not share it out.
            with self._state.expecting():
                return self._ask(long=self._token is None and not self._state.ending)
        if self._token is None:
            return self._ask(long=True)
        with self._state.waiting():
            wait_s = self._state.wait_s
            if not self._token.acquire(wait_s, wait_s, self._state.wakeup):
                return None
        try:
            return self._ask(long=True)
        finally:
            self._token.release()

    def _ask(self, long: bool) -> list[Delivery] | None:
        # Another poller may have filled the process meanwhile.
        room, wait_s = self._dispatcher.room(0), self._state.wait_s
        if not room:
            return None
        if not long:
            wait_s = min(wait_s, self._intervals.busy_poll_wait_s)
            return self._receiver.receive(room, wait_s)
        with self._state.waiting():
            return self._receiver.receive(room, wait_s)
