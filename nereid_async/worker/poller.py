"""Receives what its process has room for, and hands it to the runners."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable

from ..brokers.base import Consumer, Delivery
from ..errors import NereidAsyncError, TransportError
from ..runtime import Runtime
from .admission import Admission
from .hand import Hand
from .job import Job
from .lease import LeaseKeeper
from .options import WorkerOptions
from .turn import Turn

logger = logging.getLogger(__name__)

#: Longest wait for a message; SQS allows 20 s, and bills each wait.
_WAIT_S = 20.0
_BURST_WAIT_S = 1.0
#: Where messages have just come, whoever else waits for the turn.
_BUSY_WAIT_S = 1.0
#: How long the poller waits for a thread to be free before it looks around.
_BUSY_S = 1.0
_FIRST_FAILURE_PAUSE_S = 0.5
_LONGEST_FAILURE_PAUSE_S = 30.0


class Poller:
    """Polls in the calling thread until told to stop, or in burst until all is done.

    :param jobs: where the runners take jobs from.
    :param beat: called after each successful poll, and while all threads are busy.
    :param may_go_on: asked before each poll.
    :param turn: shared with other processes that poll the same queues.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: WorkerOptions,
        consumer: Consumer,
        admission: Admission,
        keeper: LeaseKeeper,
        hand: Hand,
        jobs: queue.SimpleQueue[Job | None],
        beat: Callable[[], None],
        may_go_on: Callable[[], bool],
        turn: Turn | None,
    ) -> None:
        self._runtime = runtime
        self._options = options
        self._consumer = consumer
        self._admission = admission
        self._keeper = keeper
        self._hand = hand
        self._jobs = jobs
        self._beat = beat
        self._may_go_on = may_go_on
        self._turn = turn if consumer.polls_are_billed else None
        self._stopping = threading.Event()
        self._quiet = True
        #: Rings once; an end of the process, not of this object, closes it.
        self._bell_fd, self._ring_fd = os.pipe() if self._turn else (-1, -1)
        #: How many jobs were handed to the runners.
        self.taken = 0

    def stop(self) -> None:
        """Receive nothing more. From any thread, and from a signal handler."""
        self._stopping.set()
        if self._turn is not None:
            os.write(self._ring_fd, b"!")
        self._consumer.wake()

    def run(self) -> None:
        """Poll until there is a reason not to."""
        wait_s = _BURST_WAIT_S if self._options.burst else _WAIT_S
        # An idle process has to give signs of life, too.
        wait_s = min(wait_s, self._options.stuck_after_s / 2)
        failures = 0
        while not self._stopping.is_set() and self._may_go_on():
            room = self._room()
            idle = self._hand.empty
            if self._options.burst:
                # What the tasks here have deferred is to run as well.
                self._runtime.sender.flush()
            try:
                received = self._take(room, wait_s) if room else -1
                failures = 0
                self._beat()
            except Exception as error:
                # A process that does not poll is worth nothing: whatever it was, go on.
                received = -1
                failures += 1
                logger.warning("receiving failed: %s", error, exc_info=_bug(error))
                self._stopping.wait(_failure_pause_s(failures))
            if self._options.burst and received == 0 and idle:
                # Nothing came, and nobody is running what might make more.
                return

    def _room(self) -> int:
        """How many jobs to receive now; 0 while the threads are busy."""
        room = self._hand.room(_BUSY_S)
        if self._options.max_tasks:
            room = min(room, self._options.max_tasks - self.taken)
        return room

    def _take(self, room: int, wait_s: float) -> int:
        """Receive, and hand the jobs to the runners; returns how many messages came."""
        deliveries = self._receive(room, wait_s)
        if deliveries is None:
            return -1
        at_once = len(deliveries) <= self._hand.free
        jobs = self._admission.admit(deliveries, at_once=at_once)
        self.taken += len(jobs)
        self._hand.take(len(jobs))
        for job in jobs:
            self._keeper.hold(job)
            self._jobs.put(job)
        self._hand.head_start()
        return len(deliveries)

    def _receive(self, room: int, wait_s: float) -> list[Delivery] | None:
        """Receive; None if it was not this process's turn."""
        if self._turn is None:
            return self._consumer.receive(room, wait_s)
        if not self._quiet:
            # More may follow, and whoever has the turn need not share it out.
            deliveries = self._consumer.receive(room, _BUSY_WAIT_S)
        elif self._turn.take(wait_s, self._bell_fd):
            try:
                deliveries = self._consumer.receive(room, wait_s)
            finally:
                self._turn.pass_on()
        else:
            return None
        self._quiet = not deliveries
        return deliveries


def _bug(error: Exception) -> bool:
    """Whether the log should say where it happened: no passing failure."""
    return not isinstance(error, (NereidAsyncError, TransportError))


def _failure_pause_s(failures: int) -> float:
    longest_s = _FIRST_FAILURE_PAUSE_S * 2.0 ** min(failures - 1, 30)
    return min(longest_s, _LONGEST_FAILURE_PAUSE_S)
