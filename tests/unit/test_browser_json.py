"""What a script in the browser gets of a result."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest

from nereid_async.errors import SerializationError
from nereid_async.serialization import for_browser

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
        (dt.datetime(2026, 11, 25, 1, 2, 3), "2026-11-25T01:02:03"),
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
    ],
    ids=repr,
)
def test_plain_json(value: Any, seen: Any) -> None:
    plain = for_browser(value)
    assert plain == seen
    assert json.loads(json.dumps(plain, allow_nan=False)) == seen


def test_an_unknown_type_is_named_with_its_place() -> None:
    with pytest.raises(SerializationError) as caught:
        for_browser({"rows": [object()]})
    assert caught.value.path == "result['rows'][0]"
