"""Headers in a setting."""

from __future__ import annotations

from typing import Any

import pytest

from nereid_async.settings.headers import headers


@pytest.mark.parametrize(
    "value",
    [{"X-A": "1", "X-B": "b: c"}, "X-A: 1\nX-B:b: c\n", "\n  X-A :1  \n X-B: b: c"],
)
def test_both_spellings(value: Any) -> None:
    assert headers(value, ()) == (("X-A", "1"), ("X-B", "b: c"))


@pytest.mark.parametrize("value", ["", {}, "\n"])
def test_none(value: Any) -> None:
    assert headers(value, ()) == ()


@pytest.mark.parametrize(
    "value",
    [
        "X-A",
        {"X-A": 1},
        {1: "a"},
        ["X-A: 1"],
        None,
        {"X A": "1"},
        {"": "1"},
        # No header ends here and another one begins.
        {"X-A": "1\r\nSet-Cookie: session=x"},
        {"X-A\nX-B": "1"},
        {"X-A": "\u00e4"},
        {"X-A": "1\0"},
    ],
)
def test_what_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="headers"):
        headers(value, ())


def test_names_that_are_taken() -> None:
    with pytest.raises(ValueError, match="Cache-Control"):
        headers({"Cache-Control": "public"}, {"cache-control"})
