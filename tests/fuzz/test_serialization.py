"""What goes in comes out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nereid_async.errors import SerializationError
from nereid_async.messages.browser_json import for_browser
from nereid_async.messages.serialization import decode, dumps, encode, loads
from tests.values import same, values


@given(values)
def test_round_trip(value: Any) -> None:
    text = dumps(encode(value))
    assert text.isascii()
    assert same(decode(loads(text)), value)


@given(values)
def test_browsers_get_json(value: Any) -> None:
    try:
        plain = for_browser(value)
    except SerializationError as error:
        # Such as 1 and "1".
        assert "twice" in str(error)
    else:
        loads(dumps(plain))


json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()
    ),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.text(), inner),
        st.fixed_dictionaries(
            {
                "$": st.sampled_from(
                    ["decimal", "date", "time", "datetime", "timedelta", "bytes",
                     "uuid", "tuple", "dict", "email", "float", "other"]
                ),
                "v": inner,
            }
        ),
    ),
    max_leaves=8,
)  # fmt: skip


@given(json)
def test_nothing_sent_breaks_the_reader(sent: Any) -> None:
    try:
        decode(sent)
    except SerializationError:
        pass
