"""Visitors who keep asking, whatever happens to the web processes."""

from __future__ import annotations

import itertools
import random
import threading
from collections import deque
from pathlib import Path

import requests
from trytond.modules.async_test import odd

#: In how many ways a request commits or does not; see the view.
WAYS = (
    "commit",
    "commit",
    "several",
    "chain",
    "twice",
    "twice, then raise",
    "nested",
    "inner rolled back",
    "raise",
)

#: How long an effect takes, in seconds.
WORK_S = (0, 0.005, 0.05, 0.2)
#: How many of the requests ask for a task that raises something.
ODD_SHARE = 0.15
KINDS = (*odd.PASSING, *odd.FINAL)
#: How many ask for one that takes too long at first.
OVERLONG_SHARE = 0.03
#: How many cancel something that was asked for before.
CANCEL_SHARE = 0.1
#: Mostly what an exception reaches: each of the others costs a process.
OVERLONG = ("busy", "busy", "query", "query", "asleep")


class Visitor(threading.Thread):
    """Posts one request after the other, to any of the web processes.

    :param urls: addresses of the web processes.
    :param begun: file in which runs of tasks leave a line.
    :param room: set as long as the workers keep up.
    """

    def __init__(
        self,
        name: str,
        urls: list[str],
        begun: Path,
        seed: int,
        room: threading.Event,
        stop: threading.Event,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._urls = urls
        self._begun = begun
        self._random = random.Random(f"{seed} {name}")
        self._room = room
        self._stop_asking = stop
        self._session = requests.Session()
        self._token = ""
        self._lately: deque[str] = deque(maxlen=4)
        self.cancels_asked: set[str] = set()
        self.cancels_found: list[tuple[str, str]] = []

    def run(self) -> None:
        """Ask until told to stop; an answer that does not come says nothing."""
        numbers = itertools.count()
        while not self._stop_asking.is_set():
            if not self._room.wait(0.1):
                continue
            number = next(numbers)
            try:
                self._ask(f"{self.name} {number}")
            except requests.RequestException:
                # Killed, or not up yet.
                self._stop_asking.wait(0.1)

    def ask_to_meet(self, met: str, number: int) -> None:
        """Ask for tasks that wait for each other.

        :param met: file in which each of them leaves a line.
        """
        answer = self._post("/chaos/meet", met=met, number=str(number))
        answer.raise_for_status()

    def _ask(self, label: str) -> None:
        order = {"label": label, "begun": str(self._begun)}
        if self._random.random() < ODD_SHARE:
            self._post("/chaos/odd", kind=self._random.choice(KINDS), **order)
            return
        if self._random.random() < OVERLONG_SHARE:
            self._post("/chaos/odd", kind=self._random.choice(OVERLONG), **order)
            return
        if self._lately and self._random.random() < CANCEL_SHARE:
            self._cancel(self._random.choice(self._lately))
        way, work_s = self._random.choice(WAYS), self._random.choice(WORK_S)
        answer = self._post("/chaos", way=way, work_s=str(work_s), **order)
        if answer.ok:
            self._lately.extend(answer.text.split())

    def _cancel(self, task_id: str) -> None:
        self.cancels_asked.add(task_id)
        interrupt = self._random.choice(["yes", "no"])
        answer = self._post("/chaos/cancel", id=task_id, interrupt=interrupt)
        if answer.ok:
            self.cancels_found.append((task_id, answer.text))

    def _post(self, path: str, **order: str) -> requests.Response:
        url = f"{self._random.choice(self._urls)}/en"
        if not self._token:
            self._token = self._session.get(f"{url}/csrf", timeout=30).text
        headers = {"X-CSRFToken": self._token}
        answer = self._session.post(url + path, order, headers=headers, timeout=30)
        if not answer.ok:
            # A database that is away answers quickly.
            self._stop_asking.wait(0.05)
        return answer
