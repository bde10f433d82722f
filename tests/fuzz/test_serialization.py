"""What goes in comes out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nereid_async.serialization import decode, dumps, encode, for_browser, loads

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(dt.timezone.utc))
    | st.timedeltas()
    | st.uuids()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text() | st.just("$"), inner, max_size=5)
    ),
    max_leaves=30,
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(
            same(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, Decimal):
        return str(left) == str(right)
    return bool(left == right)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    text = dumps(encode(value))
    assert text.isascii()
    assert same(decode(loads(text)), value)


@given(VALUES)
def test_browsers_get_json(value: Any) -> None:
    loads(dumps(for_browser(value)))
