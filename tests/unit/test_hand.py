"""How far ahead a worker receives."""

from __future__ import annotations

import threading
import time

import pytest

from nereid_async.worker import hand as hands
from nereid_async.worker.hand import Hand


def busy(threads: int, length_s: float) -> Hand:
    """A hand that has seen one task of that length, and is empty."""
    hand = Hand(threads)
    hand.take(1)
    hand.put_down(length_s)
    return hand


@pytest.mark.parametrize("threads", [1, 4])
def test_nothing_ahead_before_a_task_was_measured(threads: int) -> None:
    hand = Hand(threads)
    assert hand.empty
    assert hand.room(0) == threads
    hand.take(threads)
    assert not hand.empty
    assert hand.room(0) == 0


@pytest.mark.parametrize(
    ("threads", "length_s", "room"),
    [
        (1, 10.0, 1),
        (1, 0.3, 1),
        (1, 0.09, 5),
        (1, 0.001, 21),
        (8, 0.02, 28),
        (8, 0.39, 10),
    ],
)
def test_short_tasks_are_received_ahead(
    threads: int, length_s: float, room: int
) -> None:
    hand = busy(threads, length_s)
    # One short task says little; many of them say it.
    for _ in range(100):
        hand.take(1)
        hand.put_down(length_s)
    assert hand.room(0) == room


def test_a_long_task_counts_at_once_and_is_forgotten_slowly() -> None:
    hand = busy(1, 0.001)
    for _ in range(100):
        hand.take(1)
        hand.put_down(0.001)
    assert hand.room(0) == 21
    hand.take(1)
    hand.put_down(10.0)
    assert hand.room(0) == 1
    hand.take(1)
    hand.put_down(0.001)
    assert hand.room(0) == 1


def test_a_call_has_to_be_worth_it() -> None:
    hand = busy(1, 0.001)
    for _ in range(100):
        hand.take(1)
        hand.put_down(0.001)
    hand.take(21)
    for left in range(20, 11, -1):
        hand.put_down(0.001)
        assert hand.room(0) == 0, left
    hand.put_down(0.001)
    assert hand.room(0) == 10


def test_who_waits_for_room_is_woken() -> None:
    hand = Hand(1)
    hand.take(1)
    found = []
    waiting = threading.Thread(target=lambda: found.append(hand.room(30)))
    waiting.start()
    hand.put_down(10.0)
    waiting.join(10)
    assert found == [1]


def test_a_job_has_a_head_start_until_one_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand = Hand(1)
    hand.take(1)
    waiting = threading.Thread(target=hand.head_start)
    waiting.start()
    hand.put_down(0.001)
    waiting.join(10)
    assert not waiting.is_alive()
    # Nothing has come since: it does not wait for as long as it may.
    monkeypatch.setattr(hands, "_HEAD_START_S", 60)
    hand.take(0)
    began_s = time.monotonic()
    hand.head_start()
    assert time.monotonic() - began_s < 30
