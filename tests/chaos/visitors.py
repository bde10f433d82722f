"""Visitors who keep asking, whatever happens to the web processes."""

from __future__ import annotations

import itertools
import random
import threading
from collections import deque
from pathlib import Path

import requests
from trytond.modules.async_test import odd
from trytond.modules.async_test.chaos import FAIR, ORDERED
from trytond.modules.async_test.chaos_keys import REPLACE

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
#: How long a task with a key waits, and how long it goes on after its look: events come
#: meanwhile.
DELAY_S = (0, 0.5, 2)
LOOK_S = (0.05, 0.5, 1.5)
#: How many of the requests ask for a task that raises something.
ODD_SHARE = 0.15
KINDS = (*odd.PASSING, *odd.FINAL)
#: How many ask for one that takes too long at first.
OVERLONG_SHARE = 0.03
#: How many are of a group in a queue that keeps the order, and of one elsewhere.
ORDERED_SHARE, FAIR_SHARE = 0.35, 0.1
#: How many groups there are of each. The first ones get most: their tasks wait.
GROUPS = 20
#: How many have a key, of which there are few of each kind: so their tasks meet.
KEY_SHARE = 0.2
KEYS = [f"{kind}{number}" for kind in ("keep-", REPLACE) for number in range(2)]
#: How many are a batch.
BATCH_SHARE = 0.08
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
        if self._random.random() < KEY_SHARE:
            self._ask_with_key()
        elif self._random.random() < BATCH_SHARE:
            self._ask_for_batch(label)
        else:
            self._ask_for_task(self._in_group(label))

    def _in_group(self, label: str) -> str:
        group, kind = int(GROUPS * self._random.random() ** 3), self._random.random()
        if kind < ORDERED_SHARE:
            return f"{ORDERED}{group}: {label}"
        return f"{FAIR}{group}: {label}" if kind < ORDERED_SHARE + FAIR_SHARE else label

    def _ask_with_key(self) -> None:
        key = self._random.choice(KEYS)
        # Often two in a row: the second meets the task of the first.
        for _ in range(self._random.choice([1, 2])):
            self._post(
                "/chaos/key",
                key=key,
                delay_s=str(self._random.choice(DELAY_S)),
                work_s=str(self._random.choice(LOOK_S)),
                way=self._random.choice(["commit", "commit", "commit", "raise"]),
            )

    def _ask_for_batch(self, label: str) -> None:
        answer = self._post(
            "/chaos/batch",
            label=label,
            begun=str(self._begun),
            members=str(self._random.choice([1, 3, 6])),
            work_s=str(self._random.choice(WORK_S)),
            way=self._random.choice(["commit", "fails", "raise"]),
        )
        if answer.ok:
            self._lately.extend(answer.text.split()[:2])

    def _ask_for_task(self, label: str) -> None:
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
