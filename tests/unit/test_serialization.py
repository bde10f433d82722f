"""Values survive the wire: same value, same type, and nothing else gets on it."""

from __future__ import annotations

import datetime as dt
import math
import uuid
import zoneinfo
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest

from nereid_async.errors import SerializationError
from nereid_async.serialization import MAX_DEPTH, decode, dumps, encode, loads
from tests.values import same

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))


def travelled(value: Any) -> Any:
    """What arrives, by way of the text that is sent."""
    text = dumps(encode(value))
    assert text.isascii() and text.isprintable()
    return decode(loads(text))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**200,
        0.1,
        -0.0,
        1e308,
        math.inf,
        -math.inf,
        "",
        "héllo ☃ \U0001f600",
        "NUL \0, bell \a, escape \x1b, delete \x7f",
        "lone surrogate \ud800",
        '{"$": "decimal", "v": "1"}',
        [],
        [1, [2, [3]]],
        (),
        (1, (2, [3, (4,)])),
        {},
        {"a": {"b": (1,)}},
        {"$": "decimal", "v": "1"},
        {"$": None},
        {1: "int", None: "none", (1, 2): "tuple", "1": "str", False: "no"},
        {dt.date(2026, 1, 1): Decimal("1.0")},
        Decimal("0"),
        Decimal("-0"),
        Decimal("1.10"),
        Decimal("1E+5"),
        Decimal("123456789012345678901234567890.123456789012345678901"),
        Decimal("Infinity"),
        dt.date.min,
        dt.date(2026, 2, 28),
        dt.time(0),
        dt.time(23, 59, 59, 999999),
        dt.time(12, tzinfo=dt.timezone.utc),
        dt.time(12, tzinfo=INDIA),
        dt.datetime(2026, 11, 25, 1, 2, 3, 456789),
        dt.datetime.max,
        dt.datetime(2026, 11, 25, tzinfo=dt.timezone.utc),
        dt.datetime(2026, 11, 25, tzinfo=INDIA),
        dt.datetime(2026, 7, 1, tzinfo=BERLIN),
        dt.timedelta(0),
        dt.timedelta(days=-1, microseconds=1),
        dt.timedelta.max,
        b"",
        bytes(range(256)),
        uuid.UUID(int=0),
        uuid.uuid4(),
    ],
    ids=repr,
)
def test_round_trip(value: Any) -> None:
    arrived = travelled(value)
    assert same(arrived, value), arrived


def test_both_sides_of_the_autumn_hour() -> None:
    for fold in (0, 1):
        moment = dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold)
        arrived = travelled(moment)
        assert arrived.utcoffset() == dt.timedelta(hours=2 - fold)
        assert arrived.tzinfo.key == "Europe/Berlin"


def test_not_a_number_stays_none() -> None:
    assert math.isnan(travelled(math.nan))
    assert travelled(Decimal("NaN")).is_nan()


def test_subclasses_travel_as_what_they_extend() -> None:
    class Colour(IntEnum):
        RED = 1

    class Name(str):
        pass

    assert type(travelled(Colour.RED)) is int
    assert type(travelled(Name("x"))) is str
    assert travelled(bytearray(b"x")) == b"x"


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, frozenset(), len, int, (n for n in [0]), 1j, range(3)],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"lines": [1, v]}])
def test_other_types_are_refused_by_name(value: Any, wrap: Any) -> None:
    with pytest.raises(SerializationError) as caught:
        encode(wrap(value), "order")
    assert "order" in str(caught.value)
    assert type(value).__name__ in str(caught.value)
    assert caught.value.path in ("order", "order['lines'][1]")


def test_a_bad_key_is_refused() -> None:
    with pytest.raises(SerializationError, match="order"):
        encode({object(): 1}, "order")


def test_deep_nesting_is_refused_on_both_sides() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(SerializationError, match="nested"):
        encode(deep, "order")
    with pytest.raises(SerializationError, match="nested"):
        decode(deep)


@pytest.mark.parametrize("make", [lambda v: (v,), lambda v: {1: v}, lambda v: [v]])
def test_what_can_be_written_can_be_read(make: Any) -> None:
    value: Any = 1
    while True:
        value = make(value)
        try:
            encoded = encode(value)
        except SerializationError:
            break
        assert decode(encoded) == value


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(SerializationError):
        encode(cycle)


@pytest.mark.parametrize(
    "sent",
    [
        {"$": "no such type", "v": 1},
        {"$": None, "v": 1},
        {"$": ["decimal"], "v": 1},
        {"$": "decimal"},
        {"$": "decimal", "v": "__import__('os')"},
        {"$": "decimal", "v": None},
        {"$": "datetime", "v": "2026-01-01"},
        {"$": "datetime", "v": {"t": "2026-01-01T00:00:00", "z": "../../etc/passwd"}},
        {"$": "datetime", "v": {"t": "2026-01-01T00:00:00", "z": "No/Where"}},
        {"$": "datetime", "v": {"t": "2026-01-01T00:00:00", "o": 10**9}},
        {"$": "bytes", "v": "not base64!"},
        {"$": "bytes", "v": 3},
        {"$": "uuid", "v": "x"},
        {"$": "uuid", "v": False},
        {"$": "timedelta", "v": [10**30, 0, 0]},
        {"$": "tuple", "v": None},
        {"$": "dict", "v": [[1]]},
        {"$": "dict", "v": [[[], 1]]},
        {"$": "email", "v": {}},
        {"$": "email", "v": {"modern": True, "b": "☃"}},
        {"$": "record", "v": 1},
    ],
    ids=repr,
)
def test_what_we_did_not_write_is_refused(sent: Any) -> None:
    with pytest.raises(SerializationError):
        decode(sent)


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000, "NaNa"])
def test_text_that_is_not_json(text: str) -> None:
    with pytest.raises(SerializationError):
        loads(text)
