"""Reports the health of a worker's processes: log, health file, HTTP, and systemd."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable

from .health_file import HealthFile
from .health_state import Health, HealthState
from .heartbeats import Heartbeats
from .options import WorkerOptions
from .service_manager import ServiceManager

logger = logging.getLogger(__name__)

#: A task ends within a second after its time limit, if it can be interrupted.
_LATE_S = 2.0


class HealthMonitor:
    """Watches the heartbeats of worker processes, in their parent.

    :ivar state: the health, for who serves it.
    """

    def __init__(self, heartbeats: Heartbeats, options: WorkerOptions) -> None:
        self._heartbeats = heartbeats
        self._options = options
        self._health = HealthFile(options.health_file)
        self._service_manager = ServiceManager(os.environ)
        self.state = HealthState()
        #: When which problem of which slot was logged.
        self._told_at_s: dict[tuple[str, int], float] = {}

    def look(self, slots: Iterable[int], *, draining: bool = False) -> str:
        """Check the processes in these slots and report what is wrong.

        :param draining: whether the worker was told to stop.
        :returns: what is wrong, if it has lasted so long that the worker must exit;
            else an empty text.
        """
        stuck, overdue, busy, hopeless = "", "", "", ""
        for slot in slots:
            silent_s = self._heartbeats.of(slot).silent_for_s
            if text := self._silence(slot, silent_s):
                stuck = f"stuck: {text}"
                if silent_s >= self._options.give_up_s:
                    hopeless = text
            if text := self._delay(slot):
                overdue = f"overdue: {text}"
            if text := self._business(slot):
                busy = f"busy: {text}"
        self._health.write(stuck or overdue or busy)
        trouble = stuck or overdue or ("draining" if draining else "")
        text = trouble or busy or "ok"
        self.state.write(Health(not trouble, text))
        self._service_manager.tell(text, draining=draining)
        return hopeless

    def end(self) -> None:
        """Remove the health file, since the worker has ended."""
        self._health.remove()

    def _silence(self, slot: int, silent_s: float) -> str:
        every_s = self._options.stuck_after_s
        if silent_s < every_s:
            self._over("silence", slot, "receives again")
            return ""
        text = f"worker process {slot} has not received for {silent_s:.0f} s"
        self._tell("silence", slot, every_s, logging.ERROR, text)
        return text

    def _delay(self, slot: int) -> str:
        busy = self._heartbeats.of(slot).busy
        if busy is None or busy.shortest_s < busy.limit_s + _LATE_S:
            self._over("delay", slot, "has a thread again whose task is in time")
            return ""
        text = (
            f"worker process {slot}: all {busy.threads} thread(s) busy beyond the "
            f"longest time limit of their tasks ({busy.limit_s:g} s), the longest for "
            f"{busy.longest_s:.0f} s with {busy.task}"
        )
        self._tell("delay", slot, self._options.stuck_after_s, logging.ERROR, text)
        return text

    def _business(self, slot: int) -> str:
        every_s = self._options.busy_after_s
        busy = self._heartbeats.of(slot).busy
        if busy is None or busy.shortest_s < every_s:
            self._over("business", slot, "has begun another task, or has nothing to do")
            return ""
        text = (
            f"worker process {slot}: all {busy.threads} thread(s) busy for "
            f"{busy.shortest_s:.0f} s, the longest for {busy.longest_s:.0f} s with "
            f"{busy.task}"
        )
        self._tell("business", slot, every_s, logging.WARNING, text)
        return text

    def _tell(
        self, what: str, slot: int, every_s: float, level: int, text: str
    ) -> None:
        now_s = time.monotonic()
        if now_s - self._told_at_s.get((what, slot), float("-inf")) >= every_s:
            self._told_at_s[what, slot] = now_s
            logger.log(level, "%s", text)

    def _over(self, what: str, slot: int, text: str) -> None:
        if self._told_at_s.pop((what, slot), None) is not None:
            logger.warning("worker process %d %s", slot, text)
