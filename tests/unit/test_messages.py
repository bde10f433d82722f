"""Messages are signed: what was changed on the way is not read."""

from __future__ import annotations

import base64
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_async.errors import (
    BadMessage,
    ConfigurationError,
    MessageTooLarge,
    UnknownFormat,
    UnknownKey,
)
from nereid_async.messages.encryption import Cipher, token_bytes
from nereid_async.messages.message import Message, Target, WebRequest
from nereid_async.messages.message_codec import FORMAT, MessageCodec
from nereid_async.messages.outcome import Outcome
from nereid_async.messages.outcome_codec import OutcomeCodec
from nereid_async.messages.serialization import Json, dumps, loads
from nereid_async.messages.signing import Signer
from nereid_async.messages.unverified import Unverified, unverified
from nereid_async.runtime import build
from nereid_async.settings import Settings

MESSAGE = Message(
    id="00000000-0000-8000-8000-000000000001",
    database="shop",
    target=Target("model", "async_test.record", "echo", 5),
    args=[1, {"$": "decimal", "v": "1.10"}],
    kwargs={"name": "☃"},
    user=7,
    context={"language": "de", "company": 1},
    queue="mail",
    deferred_at_s=1_764_028_800.0,
    delay_s=2.5,
    visibility_timeout_s=90,
    max_attempts=3,
    keep_result=True,
    for_browser=True,
    web=WebRequest(1, 2, "de", "https://shop.example.com/", 3),
    attributes={"a": {"DataType": "String", "StringValue": "b"}},
    time_limit_s=2.5,
)
CODEC = MessageCodec([b"the key"], 1_048_576)
SIGNER = Signer([b"the key"], "message")


def test_round_trip() -> None:
    text = CODEC.encode(MESSAGE)
    assert text.isascii() and text.isprintable()
    assert CODEC.decode(text) == MESSAGE


def test_a_trace_context_travels_with_a_call_and_may_be_missing() -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    traced = replace(MESSAGE, trace={"traceparent": f"00-{trace_id}-b7ad6b7169-01"})
    assert CODEC.decode(CODEC.encode(traced)) == traced
    assert traced.trace_id == trace_id
    assert MESSAGE.trace_id is None
    # An earlier release writes none; it skips what it does not know.
    payload = loads(SIGNER.unsign(CODEC.encode(traced)))
    del payload["trace"]
    assert CODEC.decode(SIGNER.sign(dumps(payload | {"later": 1}))) == MESSAGE
    for odd in ("00", {"traceparent": 5}):
        with pytest.raises(BadMessage, match="trace"):
            CODEC.decode(SIGNER.sign(dumps(payload | {"trace": odd})))


def test_a_pointer() -> None:
    text = CODEC.encode_pointer(MESSAGE.pointer)
    assert text.isascii() and text.isprintable()
    assert CODEC.decode_sent(text) == MESSAGE.pointer
    with pytest.raises(BadMessage, match="pointer"):
        CODEC.decode(text)


def test_a_whole_call_is_a_pointer_if_it_has_a_row() -> None:
    assert CODEC.decode_sent(CODEC.encode(MESSAGE)) == MESSAGE.pointer
    bare = replace(MESSAGE, outbox=False)
    assert CODEC.decode_sent(CODEC.encode(bare)) == bare


def test_a_pointer_is_not_read_by_an_earlier_release() -> None:
    """It reads formats 1 and 2, signed for the same purpose."""
    payload = loads(SIGNER.unsign(CODEC.encode_pointer(MESSAGE.pointer)))
    assert payload["format"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": "x"},
        {"database": 1},
        {"identity": []},
        {"queue": None},
        {"name": {}},
        {"max_attempts": "5"},
        {"keep_result": None},
    ],
)
def test_a_signed_pointer_with_a_field_of_another_type(
    change: dict[str, Json],
) -> None:
    payload = loads(SIGNER.unsign(CODEC.encode_pointer(MESSAGE.pointer)))
    with pytest.raises(BadMessage):
        CODEC.decode_sent(SIGNER.sign(dumps({**payload, **change})))
    del payload["queue"]
    with pytest.raises(BadMessage, match="queue"):
        CODEC.decode_sent(SIGNER.sign(dumps(payload)))


def test_round_trip_of_the_least() -> None:
    least = Message(
        id=MESSAGE.id,
        database="shop",
        target=Target("function", "shop.tasks", "warm_cache"),
        args=[],
        kwargs={},
        user=0,
        context={},
        queue="trytond-async",
        deferred_at_s=0,
    )
    assert CODEC.decode(CODEC.encode(least)) == least


@pytest.mark.parametrize(
    "change",
    [
        {"id": "00000000-0000-8000-8000-000000000002"},
        {"database": "other"},
        {"target": Target("model", "res.user", "delete", 1)},
        {"args": [2]},
        {"kwargs": {}},
        {"user": 0},
        {"context": {"_check_access": False}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_signature_covers_what_decides(change: dict[str, object]) -> None:
    text = CODEC.encode(MESSAGE)
    signature = text.rpartition(".")[2]
    payload = CODEC.encode(replace(MESSAGE, **change)).rpartition(".")[0]  # type: ignore[arg-type]
    with pytest.raises(BadMessage):
        CODEC.decode(f"{payload}.{signature}")


@given(st.data())
def test_any_changed_character_is_noticed(data: st.DataObject) -> None:
    text = CODEC.encode(MESSAGE)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FFF).filter(text[place].__ne__))
    with pytest.raises(BadMessage):
        CODEC.decode(text[:place] + other + text[place + 1 :])


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        CODEC.decode(text)


def test_another_key_and_another_purpose() -> None:
    text = CODEC.encode(MESSAGE)
    with pytest.raises(BadMessage):
        MessageCodec([b"another key"], 1_048_576).decode(text)
    with pytest.raises(BadMessage):
        CODEC.decode(Signer([b"the key"], "reply").sign(dumps({"format": FORMAT})))


def test_key_rotation() -> None:
    rotated = MessageCodec([b"new key", b"the key"], 1_048_576)
    assert rotated.decode(CODEC.encode(MESSAGE)) == MESSAGE
    with pytest.raises(BadMessage):
        CODEC.decode(rotated.encode(MESSAGE))


ENCRYPTION_KEY = base64.urlsafe_b64encode(b"k" * 32)
NEW_ENCRYPTION_KEY = base64.urlsafe_b64encode(b"n" * 32)


def encrypting(*keys: bytes) -> MessageCodec:
    return MessageCodec([b"the key"], 1_048_576, Cipher(keys))


def test_an_encrypted_message() -> None:
    codec = encrypting(ENCRYPTION_KEY)
    text = codec.encode(MESSAGE)
    assert codec.decode(text) == MESSAGE
    payload = loads(text.rpartition(".")[0])
    assert not {"args", "kwargs", "context"} & set(payload)
    for word in ("1.10", "company"):
        assert word not in text
    # What those need who carry it.
    assert payload["queue"] == "mail"
    # Without a key nothing is encrypted, and what was written before is read.
    assert codec.decode(CODEC.encode(MESSAGE)) == MESSAGE
    assert loads(CODEC.encode(MESSAGE).rpartition(".")[0])["format"] == 1


def test_rotation_of_the_key_for_encryption() -> None:
    old = encrypting(ENCRYPTION_KEY)
    rotated = encrypting(NEW_ENCRYPTION_KEY, ENCRYPTION_KEY)
    assert rotated.decode(old.encode(MESSAGE)) == MESSAGE
    # Another process may have the key: it is kept for that.
    with pytest.raises(UnknownKey, match="encryption_key"):
        old.decode(rotated.encode(MESSAGE))
    with pytest.raises(UnknownKey, match="encryption_key"):
        CODEC.decode(old.encode(MESSAGE))


def test_what_is_encrypted_is_signed() -> None:
    codec = encrypting(ENCRYPTION_KEY)
    payload = loads(SIGNER.unsign(codec.encode(MESSAGE)))
    other = loads(SIGNER.unsign(codec.encode(replace(MESSAGE, args=["other"]))))
    swapped = dumps({**payload, "sealed": other["sealed"]})
    signature = codec.encode(MESSAGE).rpartition(".")[2]
    with pytest.raises(BadMessage):
        codec.decode(f"{swapped}.{signature}")


@pytest.mark.parametrize("sealed", [None, 3, "", "x", ["x"]])
def test_signed_but_not_encrypted(sealed: object) -> None:
    codec = encrypting(ENCRYPTION_KEY)
    payload = {**loads(SIGNER.unsign(codec.encode(MESSAGE))), "sealed": sealed}
    with pytest.raises(UnknownKey):
        codec.decode(SIGNER.sign(dumps(payload)))
    del payload["sealed"]
    with pytest.raises(BadMessage):
        codec.decode(SIGNER.sign(dumps(payload)))


@pytest.mark.parametrize("secret", ["", "[]", "null", "{", '{"args": 3}'])
def test_encrypted_but_no_arguments(secret: str) -> None:
    codec = encrypting(ENCRYPTION_KEY)
    payload = loads(SIGNER.unsign(codec.encode(MESSAGE)))
    payload["sealed"] = Cipher([ENCRYPTION_KEY]).encrypt(secret)
    with pytest.raises(BadMessage):
        codec.decode(SIGNER.sign(dumps(payload)))


def test_encrypted_outcomes_cannot_be_swapped() -> None:
    codec = OutcomeCodec(Cipher([ENCRYPTION_KEY]))
    kept = codec.to_json("one task", Outcome(5))
    with pytest.raises(BadMessage, match="another task"):
        codec.from_json("another", kept)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1_000])
def test_the_size_of_a_token_is_known_before(size: int) -> None:
    token = Cipher([ENCRYPTION_KEY]).encrypt("x" * size)
    assert len(token) == token_bytes(size)


@pytest.mark.parametrize("cipher", [None, Cipher([ENCRYPTION_KEY])])
def test_the_size_of_an_outcome_is_known_before(cipher: Cipher | None) -> None:
    codec, outcome = OutcomeCodec(cipher), Outcome(["x" * 100], ["y"])
    kept = codec.to_json(MESSAGE.id, outcome)
    assert codec.size_bytes(MESSAGE.id, outcome) == len(dumps(kept))
    assert codec.from_json(MESSAGE.id, kept) == outcome


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(ConfigurationError, match=r"nereid_async\[encryption\]"):
        build("shop", Settings(encryption_key=(ENCRYPTION_KEY,)))


def test_attributes_count() -> None:
    attribute: Json = {"DataType": "String", "StringValue": "x" * 600}
    heavy = replace(MESSAGE, attributes={"a": attribute})
    # They stand in the text, and beside it.
    limit_bytes = len(CODEC.encode(heavy)) + len("aString") + 600
    assert MessageCodec([b"the key"], limit_bytes).encode(heavy)
    with pytest.raises(MessageTooLarge) as raised:
        MessageCodec([b"the key"], limit_bytes - 1).encode(heavy)
    assert raised.value.size_bytes == limit_bytes


def test_errors_do_not_repeat_the_content() -> None:
    with pytest.raises(BadMessage) as caught:
        CODEC.decode("a password." + "x" * 43)
    assert "password" not in str(caught.value)


def test_too_large_names_the_largest_argument() -> None:
    codec = MessageCodec([b"the key"], 2_000)
    big = replace(MESSAGE, args=["small", "x" * 3_000], kwargs={"other": "x" * 100})
    with pytest.raises(MessageTooLarge) as caught:
        codec.encode(big, ["order", "page"])
    assert "'page'" in str(caught.value)
    assert "async_test.record.echo" in str(caught.value)
    assert caught.value.limit_bytes == 2_000
    assert caught.value.size_bytes > 3_000
    with pytest.raises(MessageTooLarge, match="number 2"):
        codec.encode(big)
    with pytest.raises(MessageTooLarge, match="'body'"):
        codec.encode(replace(MESSAGE, kwargs={"body": "x" * 3_000}))
    with pytest.raises(MessageTooLarge, match="its context"):
        bare = replace(MESSAGE, args=[], kwargs={})
        codec.encode(replace(bare, context={"notes": "x" * 3_000}))


#: Without attributes, which count besides.
PLAIN = replace(MESSAGE, attributes=None)


def test_the_limit_is_exact() -> None:
    size = len(CODEC.encode(PLAIN))
    assert MessageCodec([b"the key"], size).encode(PLAIN)
    with pytest.raises(MessageTooLarge):
        MessageCodec([b"the key"], size - 1).encode(PLAIN)


def test_too_large_to_read() -> None:
    text = CODEC.encode(replace(MESSAGE, args=["x" * 3_000]))
    with pytest.raises(BadMessage, match="limit"):
        MessageCodec([b"the key"], 2_000).decode(text)


def test_a_newer_format_is_told_apart() -> None:
    with pytest.raises(UnknownFormat, match=str(FORMAT + 1)):
        CODEC.decode(SIGNER.sign(dumps({"format": FORMAT + 1, "something": "else"})))


@pytest.mark.parametrize(
    "payload",
    [
        "not json",
        "[]",
        "null",
        "{}",
        '{"format": "1"}',
        '{"format": null}',
        '{"format": 1}',
        '{"format": 1, "target": null}',
        '{"format": 1, "target": {"kind": "model"}}',
        '{"format": 1, "target": []}',
    ],
)
def test_signed_but_no_message(payload: str) -> None:
    with pytest.raises(BadMessage):
        CODEC.decode(SIGNER.sign(payload))


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": "\0"},
        {"database": 1},
        {"args": {}},
        {"kwargs": []},
        {"user": "1"},
        {"context": None},
        {"queue": []},
        {"visibility_timeout_s": "60"},
        {"time_limit_s": "60"},
        {"max_attempts": None},
        {"retry_delay_s": "1"},
        {"deferred_at_s": "now"},
        {"outbox": "no"},
        {"identity": 5},
    ],
    ids=lambda change: repr(change),
)
def test_signed_but_of_other_types(change: dict[str, Json]) -> None:
    """What would hurt the others of its batch, before any of it runs."""
    payload = loads(SIGNER.unsign(CODEC.encode(MESSAGE)))
    with pytest.raises(BadMessage, match=next(iter(change))):
        CODEC.decode(SIGNER.sign(dumps({**payload, **change})))


@pytest.mark.parametrize(
    "change",
    [{"kind": 5}, {"owner": ["os"]}, {"method": None}, {"instance": "1"}],
    ids=lambda change: repr(change),
)
def test_signed_but_with_a_target_of_other_types(change: dict[str, Json]) -> None:
    """It would come again and again, each time with a traceback."""
    payload = loads(SIGNER.unsign(CODEC.encode(MESSAGE)))
    payload["target"] |= change
    with pytest.raises(BadMessage, match=next(iter(change))):
        CODEC.decode(SIGNER.sign(dumps(payload)))


def test_fields_of_a_later_release_are_left_alone() -> None:
    payload = loads(SIGNER.unsign(CODEC.encode(MESSAGE)))
    for content in (payload, payload["target"], payload["web"]):
        content["added_later"] = 1
    assert CODEC.decode(SIGNER.sign(dumps(payload))) == MESSAGE


POINTER = MESSAGE.pointer


def test_a_pointer_is_no_call() -> None:
    text = CODEC.encode_pointer(POINTER)
    assert CODEC.decode_sent(text) == POINTER
    with pytest.raises(BadMessage, match="a pointer"):
        CODEC.decode(text)


@pytest.mark.parametrize("change", [{"id": "5"}, {"database": 1}, {"queue": None}])
def test_a_pointer_of_other_types_is_refused(change: dict[str, Json]) -> None:
    payload = loads(SIGNER.unsign(CODEC.encode_pointer(POINTER)))
    with pytest.raises(BadMessage):
        CODEC.decode_sent(SIGNER.sign(dumps({**payload, **change})))
    del payload[next(iter(change))]
    with pytest.raises(BadMessage, match="incomplete"):
        CODEC.decode_sent(SIGNER.sign(dumps(payload)))


@pytest.mark.parametrize("text", ["no message", "[1].signature", '{"id": 5}.x'])
def test_nothing_is_read_unverified_where_nothing_is(text: str) -> None:
    assert unverified(text) == Unverified()


def test_a_signature_is_spelled_as_it_was_made() -> None:
    text = CODEC.encode(MESSAGE)
    for spelled in (text + "=", text[:-1] + "." + text[-1]):
        with pytest.raises(BadMessage):
            CODEC.decode(spelled)
