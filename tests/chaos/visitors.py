"""Visitors who keep asking, whatever happens to the web processes."""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path

import requests

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

    def _ask(self, label: str) -> None:
        url = self._random.choice(self._urls)
        if not self._token:
            self._token = self._session.get(f"{url}/en/csrf", timeout=30).text
        self._session.post(
            f"{url}/en/chaos",
            data={
                "label": label,
                "way": self._random.choice(WAYS),
                "begun": str(self._begun),
                "work_s": self._random.choice([0, 0.005, 0.05, 0.2]),
            },
            headers={"X-CSRFToken": self._token},
            timeout=30,
        )
