"""One poller that hangs is not covered by the others."""

from __future__ import annotations

import threading
from typing import Any, cast

from nereid_async.brokers.base import Consumer, Delivery
from nereid_async.worker.dispatch import Dispatcher, TakenJobs
from nereid_async.worker.intervals import Intervals
from nereid_async.worker.options import WorkerOptions
from nereid_async.worker.poll_state import PollState
from nereid_async.worker.pollers import Pollers, Source
from nereid_async.worker.prefetch import Prefetch
from tests.helpers import wait_until


class Quiet:
    """A receiver that brings nothing; it may hang."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.goes = threading.Event()
        self.goes.set()

    def receive(self, limit: int, wait_s: float) -> list[Delivery]:
        self.goes.wait(30)
        return []

    def wake(self) -> None:
        self.goes.set()

    def close(self) -> None:
        pass


class Quietness:
    """A consumer with receivers that bring nothing."""

    finds_receivers = False

    def __init__(self, receivers: list[Quiet]) -> None:
        self.receivers = receivers

    def find_receivers(self) -> None:
        pass


def test_one_that_hangs_lets_the_process_be_silent() -> None:
    one, other = Quiet("one"), Quiet("other")
    beats: list[int] = []
    # Nothing comes, so there is nobody to take it.
    nobody = cast(Any, None)
    taken = TakenJobs()
    dispatcher = Dispatcher(nobody, nobody, Prefetch(1), nobody, taken)
    options = WorkerOptions(intervals=Intervals(poller_hangs_after_s=0.2))
    it = Pollers(
        [Source(cast(Consumer, Quietness([one, other])), dispatcher)],
        PollState([dispatcher], taken, options, lambda: True),
        options,
        lambda: beats.append(1),
        {},
    )
    thread = threading.Thread(target=it.run)
    thread.start()
    try:
        wait_until(lambda: beats)
        other.goes.clear()

        def is_silent() -> bool:
            before = len(beats)
            return not threading.Event().wait(0.05) and len(beats) == before

        wait_until(is_silent)
        other.goes.set()
        wait_until(lambda: not is_silent())
    finally:
        it.stop()
        thread.join()
