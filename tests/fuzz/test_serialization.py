"""What goes in comes out."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from nereid_async.serialization import decode, dumps, encode, for_browser, loads
from tests.values import same, values


@given(values)
def test_round_trip(value: Any) -> None:
    text = dumps(encode(value))
    assert text.isascii()
    assert same(decode(loads(text)), value)


@given(values)
def test_browsers_get_json(value: Any) -> None:
    loads(dumps(for_browser(value)))
