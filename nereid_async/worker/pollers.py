"""The pollers of a process: one per receiver, so that no queue delays another one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..brokers.base import Consumer, Receiver
from ..errors import TransportError
from ..throttled_log import ThrottledLog
from . import service_log
from .dispatch import Dispatcher
from .options import WorkerOptions
from .poll_state import PollState
from .poll_token import PollToken, Ticker
from .poller import Poller

_log = ThrottledLog(logging.getLogger(__name__))

#: How often the calling thread looks around, and runs the handlers of signals.
_STEP_S = 1.0


@dataclass(frozen=True)
class Source:
    """What the pollers of one pool of threads receive from, and who takes it."""

    consumer: Consumer
    dispatcher: Dispatcher


class Pollers:
    """Polls all receivers at the same time, each in a thread of its own.

    :param state: tells when to end.
    :param beat: called after each poll that was answered, and while none is due; not
        while one of the pollers hangs.
    :param tokens: by names of receivers; empty where each process polls for itself.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        state: PollState,
        options: WorkerOptions,
        beat: Callable[[], None],
        tokens: Mapping[str, PollToken],
    ) -> None:
        self._sources = sources
        self._state = state
        self._intervals = options.intervals
        self._beat = beat
        self._tokens = tokens
        self._ticker = (
            Ticker(list(tokens.values()), self._intervals.token_tick_s)
            if tokens
            else None
        )
        #: The poller of each receiver.
        self._pollers: dict[Receiver, Poller] = {}
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """Stop receiving. Safe in any thread and in a signal handler."""
        self._state.wakeup.set()
        for receiver in self._pollers:
            receiver.wake()

    def run(self) -> None:
        """Poll until told to stop, or in burst until all is done.

        :raises BaseException: the error that ended a poller before its time.
        """
        if self._ticker is not None:
            self._ticker.start()
        self._follow()
        finds = any(source.consumer.finds_receivers for source in self._sources)
        if finds and not self._state.burst:
            self._follow_on()
        for thread in self._threads:
            # In steps: a signal that comes right after another one may be delivered to
            # another thread, and does not end the wait of this one.
            while thread.is_alive():
                thread.join(_STEP_S)
        if self._ticker is not None:
            self._ticker.stop()
        for error in self._errors:
            raise error

    def _follow_on(self) -> None:
        """Look for more receivers now and then, until the pollers are to end."""
        look_at_s = time.monotonic() + self._intervals.find_queues_pause_s
        while self._state.goes_on(quiet=True):
            self._state.wakeup.wait(_STEP_S)
            if not self._pollers:
                # Nobody else does.
                self._beat()
            if time.monotonic() >= look_at_s:
                self._follow()
                look_at_s = time.monotonic() + self._intervals.find_queues_pause_s

    def _follow(self) -> None:
        """Start a poller for each new receiver, and drop those of receivers gone."""
        dispatchers: dict[Receiver, Dispatcher] = {}
        for source in self._sources:
            try:
                source.consumer.find_receivers()
            except TransportError as error:
                if error.of_service:
                    service_log.tell("the queues cannot be listed", error)
                else:
                    _log.warning(type(error).__name__, "looking for queues: %s", error)
            for receiver in source.consumer.receivers:
                dispatchers[receiver] = source.dispatcher
        for receiver in self._pollers.keys() - dispatchers.keys():
            self._pollers[receiver].drop()
        new = dispatchers.keys() - self._pollers.keys()
        self._state.receivers = frozenset(receiver.name for receiver in dispatchers)
        # Never changed, for other threads look at it.
        self._pollers = {
            receiver: self._pollers.get(receiver) or self._poller(receiver, dispatcher)
            for receiver, dispatcher in dispatchers.items()
        }
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for receiver in new:
            thread = threading.Thread(
                target=self._run,
                args=[self._pollers[receiver]],
                name=f"poller-{receiver.name}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def _poller(self, receiver: Receiver, dispatcher: Dispatcher) -> Poller:
        return Poller(
            receiver,
            dispatcher,
            self._state,
            self._beat_for_all,
            self._tokens.get(receiver.name),
            self._intervals,
        )

    def _beat_for_all(self) -> None:
        now_s = time.monotonic()
        pollers = self._pollers.values()
        seen_s = min((poller.went_on_at_s for poller in pollers), default=now_s)
        if now_s - seen_s < self._intervals.poller_hangs_after_s:
            self._beat()

    def _run(self, poller: Poller) -> None:
        try:
            poller.run()
        except BaseException as error:
            # A process that cannot poll all of its queues must be replaced.
            self._errors.append(error)
            self.stop()
