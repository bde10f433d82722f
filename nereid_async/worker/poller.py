"""Polls one receiver for as many messages as the process has room for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..brokers.base import Delivery, Receiver
from ..errors import NereidAsyncError, TransportError
from ..throttled_log import ThrottledLog
from . import service_log
from .dispatch import Dispatcher
from .intervals import Intervals
from .poll_state import PollState
from .poll_token import PollToken

logger = logging.getLogger(__name__)


class Poller:
    """Polls in the calling thread until told to stop, or in burst until all is done.

    :param dispatcher: takes what is received; that of its pool.
    :param state: shared by the pollers of the process.
    :param beat: called after each poll that was answered, and when the process has no
        room or does not hold the token.
    :param token: shared with other processes that poll the same queue; None for none.
    :ivar went_on_at_s: when the poller last began a round, by the monotonic clock.
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
        #: Number of polls that failed since the last answer.
        self._failures = 0
        self.went_on_at_s = time.monotonic()
        self._dropped = False

    def drop(self) -> None:
        """End after the poll that is under way: there is nothing more to receive."""
        self._dropped = True

    def run(self) -> None:
        """Poll until the state says that this poller is to end."""
        while not self._dropped and self._state.goes_on(self._quiet):
            self.went_on_at_s = time.monotonic()
            try:
                if self._poll():
                    self._failures = 0
                    service_log.answered()
                if not self._failures:
                    self._beat()
            except Exception as error:
                # The poller must not end, whatever the error is.
                self._quiet = True
                self._failures += 1
                self._tell(error)
                self._state.wakeup.wait(self._failure_pause_s)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, TransportError) and error.of_service:
            service_log.tell("nothing is received", error)
            return
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
        """Poll once if there is room and the token is free; whether it was done."""
        if self._state.burst:
            # A burst also runs what its tasks have deferred.
            self._dispatcher.flush()
        taken, idle = self._state.taken, self._state.idle
        deliveries = self._receive()
        if deliveries is None:
            return False
        self._quiet = not deliveries
        if deliveries:
            self._dispatcher.take(deliveries)
        elif idle:
            # Nothing came, and no task was running that might have deferred more.
            self._state.found_empty(self._receiver.name, taken)
        return True

    def _receive(self) -> list[Delivery] | None:
        """Receive; None if there is no room, or another process holds the token."""
        if not self._dispatcher.room(self._intervals.room_wait_s):
            return None
        if not self._quiet:
            # More messages likely follow: this process polls without the token.
            with self._dispatcher.expecting():
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
        # Another poller may have taken the room meanwhile.
        room, wait_s = self._dispatcher.room(0), self._state.wait_s
        if not room:
            return None
        if not long:
            wait_s = min(wait_s, self._intervals.busy_poll_wait_s)
            return self._receiver.receive(room, wait_s)
        with self._state.waiting():
            return self._receiver.receive(room, wait_s)
