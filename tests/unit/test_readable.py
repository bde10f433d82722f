"""Arguments as an operator reads them."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

import pytest

from nereid_async.messages.readable import call_text, readable
from nereid_async.messages.serialization import encode

ID = uuid.UUID("00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    "value, text",
    [
        ("a 'b'", "\"a 'b'\""),
        ([1, 2.5, None], "[1, 2.5, None]"),
        ((1, "x"), "(1, 'x')"),
        ({"a": Decimal("1.50")}, "{'a': 1.50}"),
        (dt.date(2026, 11, 26), "2026-11-26"),
        (dt.datetime(2026, 11, 26, 8, 30), "2026-11-26T08:30:00"),
        (dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), "2026-01-01T00:00:00 (0.0)"),
        (dt.timedelta(days=2), "timedelta [2, 0, 0]"),
        (b"abc", "<3 bytes>"),
        (ID, str(ID)),
        ({1: "a"}, "dict [[1, 'a']]"),
        (EmailMessage(), "<an email>"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert readable(encode(value)) == text


def test_a_record() -> None:
    assert readable({"$": "record", "m": "party.party", "v": 7}) == "party.party,7"
    records: Any = {"$": "records", "m": "party.party", "v": [7, 8]}
    assert readable(records) == "party.party [7, 8]"


def test_a_call() -> None:
    assert call_text("shop.warm", [1], {"name": "x"}) == "shop.warm(1, name='x')"
