"""Values survive the wire: same value, same type, and nothing else gets on it."""

from __future__ import annotations

import datetime as dt
import math
import uuid
import zoneinfo
from collections import ChainMap, Counter, OrderedDict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import dateutil.tz
import pytest
from werkzeug.datastructures import (
    CombinedMultiDict,
    Headers,
    ImmutableMultiDict,
    MultiDict,
)

from nereid_async.errors import SerializationError
from nereid_async.messages.serialization import MAX_DEPTH, decode, dumps, encode, loads
from tests.helpers import grows_in_proportion
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
        10**4_300 - 1,
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
    ids=lambda value: repr(value)[:60],
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


class Colour(IntEnum):
    RED = 1


class Shouting:
    """Writes itself in a way of its own, as numpy's and pandas' values do."""

    def __repr__(self) -> str:
        return "REPR"

    __str__ = __repr__

    def isoformat(self, *_: Any) -> str:
        return "ISOFORMAT"


class Name(Shouting, str):
    pass


class Number(Shouting, float):
    pass


class Price(Shouting, Decimal):
    pass


class Day(Shouting, dt.date):
    pass


class Clock(Shouting, dt.time):
    pass


class Moment(Shouting, dt.datetime):
    pass


class Id(Shouting, uuid.UUID):
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, 1),
        (Name("x"), "x"),
        (Number(0.5), 0.5),
        (Number("inf"), math.inf),
        (Price("1.10"), Decimal("1.10")),
        (Day(2026, 1, 2), dt.date(2026, 1, 2)),
        (Clock(1, 2), dt.time(1, 2)),
        (Moment(2026, 1, 2, tzinfo=BERLIN), dt.datetime(2026, 1, 2, tzinfo=BERLIN)),
        (Id(int=1), uuid.UUID(int=1)),
        (bytearray(b"x"), b"x"),
        ({Name("x"): Number(1)}, {"x": 1.0}),
        ({Number(1): Name("x")}, {1.0: "x"}),
        (OrderedDict(a=1, b=2), {"a": 1, "b": 2}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_travel_as_what_they_extend(value: Any, plain: Any) -> None:
    assert same(travelled(value), plain)


def test_not_a_number_of_a_class_of_its_own() -> None:
    assert math.isnan(travelled(Number("nan")))


class Nanoseconds(dt.datetime):
    """Equal to no plain datetime, as pandas' Timestamp with nanoseconds."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = dt.datetime.__hash__


class NotATime(dt.datetime):
    """As pandas' NaT: a datetime without a year."""

    @property
    def year(self) -> Any:
        return math.nan


@pytest.mark.parametrize("kind", [Nanoseconds, NotATime])
def test_what_a_plain_type_cannot_hold_is_refused(kind: Any) -> None:
    with pytest.raises(SerializationError) as caught:
        encode({"when": kind(2026, 1, 2)}, "order")
    assert caught.value.path == "order['when']"
    assert kind.__name__ in str(caught.value)


class Repeated(dict[Any, Any]):
    """Keeps more values than its items() tell, as mappings for forms do."""

    def items(self) -> Any:
        return [(key, values[0]) for key, values in dict.items(self)]


class Twice(Mapping[str, int]):
    """Tells a key twice, as multidict's mappings do."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "a"])

    def __len__(self) -> int:
        return 2


FORM = [("size", "S"), ("size", "M"), ("colour", "red")]


@pytest.mark.parametrize(
    "value",
    [
        MultiDict(FORM),
        MultiDict([("size", "S")]),
        MultiDict(),
        ImmutableMultiDict(FORM),
        CombinedMultiDict([MultiDict(FORM), MultiDict([("page", "2")])]),
        Headers([("Accept", "a"), ("Accept", "b")]),
        Repeated(a=[1, 2]),
        Twice(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_mapping_with_several_values_a_key_is_refused(value: Any) -> None:
    with pytest.raises(SerializationError) as caught:
        encode([value], "order")
    assert caught.value.path == "order[0]"
    assert type(value).__name__ in str(caught.value)


@pytest.mark.parametrize(
    "number",
    [10**4_300, -(10**4_300), 1 << 100_000],
    ids=["first", "negative", "large"],
)
def test_an_int_of_too_many_digits_is_named(number: int) -> None:
    with pytest.raises(SerializationError, match="4300 digits") as caught:
        encode({"big": [1, number]}, "order")
    assert caught.value.path == "order['big'][1]"
    with pytest.raises(SerializationError, match="4300 digits"):
        encode({number: 1}, "order")


def test_a_key_is_shown_in_short() -> None:
    with pytest.raises(SerializationError) as caught:
        encode({"k" * 10_000: object()}, "order")
    assert len(str(caught.value)) < 300


class EachItsOwn(str):
    """A key that is equal to itself only."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = str.__hash__


def test_keys_that_become_one_are_refused() -> None:
    with pytest.raises(SerializationError, match="twice"):
        encode({EachItsOwn("a"): 1, EachItsOwn("a"): 2}, "order")


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


def test_a_time_whose_zone_has_no_offset_is_refused() -> None:
    noon = dt.time(12, tzinfo=dateutil.tz.gettz("Europe/Berlin"))
    with pytest.raises(SerializationError, match="has no offset"):
        encode(noon)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(SerializationError, match="cannot be written as JSON"):
        dumps(math.inf)


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
        {"$": "dict", "v": {"a": 1}},
        {"$": "record", "v": 1},
        {"$": "record", "m": "res.user", "v": 1},
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


@pytest.mark.parametrize(
    "unit", ['\\"', '"\\"', '"', '["', "\\", '"[', '{"a":"\\\\"},', '"\\\n']
)
@pytest.mark.parametrize("start", ["", "[]" * 200, "[]" * 200 + '"'])
def test_reading_takes_time_in_proportion(start: str, unit: str) -> None:
    """80 kB of backslashes and quotes took 44 s."""

    def read(times: int) -> None:
        with pytest.raises(SerializationError):
            loads(start + unit * times)

    assert grows_in_proportion(read, 2_000)
