"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devtools.workers import burst as run_worker

SIGNALS = (
    "task_deferred",
    "task_merged",
    "task_sent",
    "task_discarded",
    "task_started",
    "task_retried",
    "task_succeeded",
    "task_failed",
    "task_cancelled",
)


class SignalLog:
    """What the extension's signals have told, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, Any]]] = []

    def names(self) -> list[str]:
        """The names of the signals."""
        return [name for name, _ in self.entries]

    def facts(self, name: str) -> list[dict[str, Any]]:
        """What came with each sending of one signal."""
        return [facts for found, facts in self.entries if found == name]


@pytest.fixture
def signal_log() -> Iterator[SignalLog]:
    """Listens to every signal of the extension."""
    from nereid_async import signals

    log = SignalLog()
    receivers = {}
    for name in SIGNALS:

        def receive(sender: Any, _name: str = name, **facts: Any) -> None:
            log.entries.append((_name, {"sender": sender, **facts}))

        receivers[name] = receive
        getattr(signals, name).connect(receive)
    yield log
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


@pytest.fixture
def burst(app: Any) -> Callable[[], None]:
    """Runs a worker with the web app until nothing is left to do."""
    return lambda: run_worker(app)
