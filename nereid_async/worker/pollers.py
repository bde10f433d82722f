"""The pollers of a process: one per receiver, so that no queue delays another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from ..brokers.base import Receiver
from .dispatch import Dispatcher
from .options import WorkerOptions
from .poll_state import PollState
from .poll_token import PollToken, Ticker
from .poller import Poller


class Pollers:
    """Polls all receivers at the same time.

    The first one in the thread that calls :meth:`run`, each other one in a thread of
    its own.

    :param beat: called after each poll that was answered, and while none is due; not
        while one of the pollers hangs.
    :param may_go_on: called before each poll; False drains the process.
    :param tokens: by names of receivers; empty where each process polls for itself.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        dispatcher: Dispatcher,
        options: WorkerOptions,
        beat: Callable[[], None],
        may_go_on: Callable[[], bool],
        tokens: Mapping[str, PollToken],
    ) -> None:
        self._receivers = receivers
        self._beat = beat
        self._state = PollState(len(receivers), dispatcher, options, may_go_on)
        self._intervals = options.intervals
        self._pollers = [
            Poller(
                it,
                dispatcher,
                self._state,
                self._beat_for_all,
                tokens.get(it.name),
                self._intervals,
            )
            for it in receivers
        ]
        self._ticker = (
            Ticker(list(tokens.values()), self._intervals.token_tick_s)
            if tokens
            else None
        )
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """Stop receiving. Safe in any thread and in a signal handler."""
        self._state.wakeup.set()
        for receiver in self._receivers:
            receiver.wake()

    def run(self) -> None:
        """Poll until told to stop, or in burst until all is done.

        :raises BaseException: the error that ended a poller before its time.
        """
        first, *others = self._pollers
        threads = [
            threading.Thread(
                target=self._run, args=[poller], name=f"poller-{i}", daemon=True
            )
            for i, poller in enumerate(others, 1)
        ]
        for thread in threads:
            thread.start()
        if self._ticker is not None:
            self._ticker.start()
        self._run(first)
        for thread in threads:
            thread.join()
        if self._ticker is not None:
            self._ticker.stop()
        for error in self._errors:
            raise error

    def _beat_for_all(self) -> None:
        seen_s = min(poller.went_on_at_s for poller in self._pollers)
        if time.monotonic() - seen_s < self._intervals.poller_hangs_after_s:
            self._beat()

    def _run(self, poller: Poller) -> None:
        try:
            poller.run()
        except BaseException as error:
            # A process that cannot poll all of its queues must be replaced.
            self._errors.append(error)
            self.stop()
