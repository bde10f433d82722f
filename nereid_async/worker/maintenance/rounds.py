"""A thread of a worker that does its work again and again."""

from __future__ import annotations

import logging
import random
import threading

from ...errors import TransportError


class Rounds(threading.Thread):
    """Does a round of work in intervals, with jitter, so that workers do not meet.

    An error ends its round only.

    :param name: of the thread, and of the work in warnings.
    :param what: what works, in the log of a failure.
    :param pause_s: between two rounds, in seconds, on average.
    """

    def __init__(self, name: str, what: str, pause_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._what = what
        self._pause_s = pause_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread after the round it is in."""
        self._stopping.set()

    def run(self) -> None:
        """Work in rounds until stopped."""
        logger = logging.getLogger(type(self).__module__)
        while not self._stopping.wait(self._pause_s * random.uniform(0.5, 1.5)):
            try:
                self.go_round()
            except TransportError as error:
                logger.warning("%s: %s", self.name, error)
            except BaseException:
                logger.exception("%s failed, and goes on", self._what)

    def go_round(self) -> None:
        """Do the work of one round.

        :raises TransportError: database or queue service are unreachable.
        """
        raise NotImplementedError
