"""What a script in the browser gets of a result."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from nereid_async.errors import SerializationError
from nereid_async.messages.browser_json import for_browser
from tests.values import same

IDENTIFIER = uuid.UUID("00000000-0000-4000-8000-000000000001")


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        (math.nan, None),
        (math.inf, None),
        ("☃", "☃"),
        (Decimal("1.10"), "1.10"),
        (dt.date(2026, 11, 25), "2026-11-25"),
        (dt.time(1, 2, 3), "01:02:03"),
        # Tryton's are in UTC.
        (dt.datetime(2026, 11, 25, 1, 2, 3), "2026-11-25T01:02:03Z"),
        (dt.datetime(2026, 11, 25, 1, 2, 3, 400), "2026-11-25T01:02:03.000400Z"),
        (
            dt.datetime(2026, 11, 25, 1, 2, 3, tzinfo=dt.timezone.utc),
            "2026-11-25T01:02:03+00:00",
        ),
        (dt.timedelta(minutes=1.5), 90.0),
        (IDENTIFIER, str(IDENTIFIER)),
        (b"\x00\xff", "AP8="),
        ((1, (Decimal("2"),)), [1, ["2"]]),
        ([dt.date(2026, 1, 1)], ["2026-01-01"]),
        ({"a": Decimal("1"), 2: (3,)}, {"a": "1", "2": [3]}),
        ({"$": "x"}, {"$": "x"}),
        # JavaScript's Number.MAX_SAFE_INTEGER.
        (2**53 - 1, 9007199254740991),
        (-(2**53 - 1), -9007199254740991),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        ([2**60], ["1152921504606846976"]),
        ({2**60: 1}, {"1152921504606846976": 1}),
        ({None: 1, True: 2, 0.5: 3}, {"null": 1, "true": 2, "0.5": 3}),
        (
            {dt.date(2026, 1, 2): 1, dt.datetime(2026, 1, 2): 2, Decimal("1.0"): 3},
            {"2026-01-02": 1, "2026-01-02T00:00:00Z": 2, "1.0": 3},
        ),
        ({(1, "a"): 1, IDENTIFIER: 2}, {'[1,"a"]': 1, str(IDENTIFIER): 2}),
    ],
    ids=repr,
)
def test_plain_json(value: Any, seen: Any) -> None:
    plain = for_browser(value)
    assert same(plain, seen)
    assert json.loads(json.dumps(plain, allow_nan=False)) == seen


def test_an_unknown_type_is_named_with_its_place() -> None:
    with pytest.raises(SerializationError) as caught:
        for_browser({"rows": [object()]})
    assert caught.value.path == "result['rows'][0]"


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        {None: 1, "null": 2},
        {True: 1, "true": 2},
        {dt.date(2026, 1, 1): 1, "2026-01-01": 2},
        {Decimal("1"): 1, "1": 2},
    ],
    ids=repr,
)
def test_keys_that_become_one_are_refused(value: Any) -> None:
    with pytest.raises(SerializationError, match="twice") as caught:
        for_browser({"rows": [value]})
    assert caught.value.path == "result['rows'][0]"


def test_a_mapping_with_several_values_a_key_is_refused() -> None:
    with pytest.raises(SerializationError, match="MultiDict"):
        for_browser(MultiDict([("size", "S"), ("size", "M")]))


def test_an_int_of_too_many_digits_is_named() -> None:
    with pytest.raises(SerializationError, match="4300 digits") as caught:
        for_browser([10**5_000])
    assert caught.value.path == "result[0]"


def test_values_write_themselves_as_their_plain_type() -> None:
    class Odd(float):
        def __repr__(self) -> str:
            return "np.float64(0.5)"

    assert json.dumps(for_browser([Odd(0.5), Odd("nan")])) == "[0.5, null]"
