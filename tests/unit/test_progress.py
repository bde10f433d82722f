"""Whatever a task says of its progress: what arrives is plain, short and finite."""

from __future__ import annotations

import json
import math
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from speaklater import make_lazy_string

from nereid_async import current_task
from nereid_async.current import Running, running
from nereid_async.messages.outcome import MESSAGE_MAX_CHARS, Progress

LARGEST = sys.float_info.max


class Rude:
    """Answers no question."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __str__(self) -> str:
        raise RuntimeError("no text")


class LikeNumpy(float):
    """A float with a repr of its own, as numpy's are."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)})"


def told(*args: Any, **kwargs: Any) -> Progress:
    """What the worker gets of a call of ``progress()``."""
    reports: list[Progress] = []
    with running(Running("id", "task", 1, reports.append, lambda: False)):
        current_task.progress(*args, **kwargs)
    (report,) = reports
    json.dumps(report.as_json(), allow_nan=False)
    return report


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (True, 1.0),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (LikeNumpy(2.5), 2.5),
        (2**70, float(2**70)),
        (10**400, LARGEST),
        (-(10**400), -LARGEST),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("1E+999"), None),
        (None, None),
        ("many", None),
        (object(), None),
        (Rude(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers(given: Any, arrives: float | None) -> None:
    for number in (told(given, 10).done, told(0, given).total):
        assert number == arrives
        assert number is None or type(number) is float


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        (None, None),
        ("", ""),
        ("rendering", "rendering"),
        (make_lazy_string(lambda: "Grüße"), "Grüße"),
        (7, "7"),
        ("a\0b", "a\\x00b"),
        ("a\ud800b", "a\\ud800b"),
        (Rude(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_messages(given: Any, arrives: str | None) -> None:
    message = told(0, 1, given).message
    assert message == arrives
    assert message is None or type(message) is str


def test_a_long_message_is_cut() -> None:
    message = told(0, 1, "x" * 2_000_000).message
    assert message is not None
    assert len(message) == MESSAGE_MAX_CHARS
    assert message.endswith("x…")


def test_outside_a_worker_nothing_happens() -> None:
    current_task.progress(Rude(), Rude(), Rude())  # type: ignore[arg-type]
