"""Whatever comes out of a queue: it is one of ours, or it never runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_async.errors import BadMessage, MessageError, SerializationError
from nereid_async.messages.message import Message, Target
from nereid_async.messages.message_codec import MessageCodec
from nereid_async.messages.serialization import dumps, loads
from nereid_async.messages.signing import Signer

KEY = b"the key"
CODEC = MessageCodec([KEY], 1_000_000)
MESSAGE = Message(
    id="00000000-0000-8000-8000-000000000001",
    database="shop",
    target=Target("model", "sale.sale", "process", 5),
    args=[1, "two", {"$": "decimal", "v": "3.00"}],
    kwargs={"name": "x"},
    user=7,
    context={"company": 1},
    queue="mail",
    deferred_at_s=1.5,
)
TEXT = CODEC.encode(MESSAGE)
PAYLOAD, _, SIGNATURE = TEXT.rpartition(".")

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A message of ours, after an accident or an attack."""
    place = draw(st.integers(0, len(TEXT)))
    end = draw(st.integers(place, len(TEXT)))
    inserted = draw(st.text(max_size=30))
    return draw(
        st.sampled_from(
            [
                TEXT[:place] + inserted + TEXT[place:],
                TEXT[:place] + TEXT[end:],
                TEXT[:place] + inserted + TEXT[end:],
                TEXT[place:] + TEXT[:place],
                TEXT * 2,
                f"{SIGNATURE}.{PAYLOAD}",
                f"{PAYLOAD}.{inserted}",
                f"{inserted}.{SIGNATURE}",
            ]
        )
    )


@given(damaged())
def test_damaged_messages(text: str) -> None:
    if text == TEXT:
        return
    with pytest.raises(BadMessage):
        CODEC.decode(text)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text(text: str) -> None:
    with pytest.raises(BadMessage):
        CODEC.decode(text)


@given(JSON)
def test_what_another_key_has_signed(content: Any) -> None:
    text = Signer([b"another key"], "message").sign(dumps(content))
    with pytest.raises(BadMessage):
        CODEC.decode(text)


@given(JSON)
def test_what_we_have_signed_is_a_message_or_an_error_of_the_family(
    content: Any,
) -> None:
    text = Signer([KEY], "message").sign(dumps(content))
    for decode in (CODEC.decode, CODEC.decode_sent):
        with pytest.raises(MessageError):
            decode(text)


@given(st.dictionaries(st.sampled_from(sorted(vars(MESSAGE.pointer))), JSON))
def test_a_signed_pointer_is_whole_or_an_error_of_the_family(content: Any) -> None:
    text = Signer([KEY], "message").sign(dumps({"format": 3, **content}))
    with pytest.raises(BadMessage):
        CODEC.decode_sent(text)


@given(st.text(alphabet='[]{}",:\\01', max_size=400))
def test_reading_json_raises_one_error_only(text: str) -> None:
    try:
        loads(text)
    except SerializationError:
        pass


@pytest.mark.parametrize("opened", ["[", '{"a":', '[{"a":['])
@pytest.mark.parametrize("times", [200, 5_000, 30_000])
def test_deep_nesting_is_refused_before_it_is_read(opened: str, times: int) -> None:
    with pytest.raises(BadMessage, match="deep"):
        CODEC.decode(Signer([KEY], "message").sign(opened * times))
