"""Settings: found in their places, checked at start, named when wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Config

from devtools.tryton_conf import remove_option
from nereid_async.errors import ConfigurationError
from nereid_async.messages.task_ids import Owner
from nereid_async.runtime import Caller, build
from nereid_async.settings import Settings, load
from nereid_async.tryton_config import config

Conf = Callable[[str, str, str], None]


@pytest.fixture
def conf() -> Iterator[Conf]:
    """Sets an option of trytond.conf for one test."""
    done: list[tuple[str, str]] = []

    def put(section: str, name: str, value: str) -> None:
        if not config.has_section(section):
            config.add_section(section)
        config.set(section, name, value)
        done.append((section, name))

    yield put
    for section, name in done:
        remove_option(section, name)


KEY = "a-key-that-is-long-enough"
OLD, OLDER = "the-key-of-last-year", "the-key-of-the-year-before"


def loaded(**app_config: Any) -> Settings:
    return load({"ASYNC_SIGNING_KEY": KEY, **app_config})


def test_defaults() -> None:
    settings = loaded()
    assert settings.broker == settings.result_store == "database"
    assert settings.outbox is True
    assert settings.sqs_queue == "trytond-async"
    assert settings.visibility_timeout == 60
    assert settings.max_attempts == 5
    assert settings.max_message_bytes == 1_048_576


def test_app_config_wins(conf: Conf) -> None:
    conf("async_sqs", "visibility_timeout", "70")
    conf("async_sqs", "max_attempts", "7")
    settings = loaded(ASYNC_VISIBILITY_TIMEOUT=80)
    assert settings.visibility_timeout == 80
    assert settings.max_attempts == 7


def test_trytond_conf_alone(conf: Conf) -> None:
    conf("async_sqs", "signing_key", f"\n{KEY}\n{OLD}")
    conf("async_sqs", "outbox", "no")
    conf("async_sqs", "broker", "sqs")
    settings = load()
    assert settings.signing_key == (KEY.encode(), OLD.encode())
    assert settings.outbox is False


def test_the_old_place_of_sqs_options(conf: Conf) -> None:
    conf("options", "sqs_queue", "old-queue")
    conf("options", "sqs_region", "eu-west-1")
    conf("options", "unrelated", "x")
    conf("async_sqs", "sqs_region", "eu-central-1")
    settings = loaded()
    assert settings.sqs_queue == "old-queue"
    assert settings.sqs_region == "eu-central-1"


def test_settings_of_sqs_without_a_broker_are_told(
    conf: Conf, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of the old module, which knew no other broker."""
    conf("async_sqs", "sqs_queue", "mail")
    loaded()
    assert caplog.messages == []
    conf("options", "sqs_region", "eu-west-1")
    conf("options", "sqs_queue_prefix", "shop")
    assert loaded().broker == "database"
    (text,) = caplog.messages
    assert "sqs_region in trytond.conf's section [options], sqs_queue_prefix" in text
    assert "broker = sqs in section [async_sqs]" in text
    caplog.clear()
    assert loaded(ASYNC_BROKER="sqs").broker == "sqs"
    loaded(ASYNC_BROKER="database")
    assert caplog.messages == []


def test_other_names_in_app_config_are_left_alone() -> None:
    assert loaded(MAX_ATTEMPTS=3, SECRET_KEY=OLD, SYNC_X=1) == loaded()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BROKER", "redis", "database"),
        ("BROKER", "", "database"),
        ("RESULTS", "file", "sqs"),
        ("OUTBOX", "maybe", "yes or no"),
        ("OUTBOX", 2, "yes or no"),
        ("VISIBILITY_TIMEOUT", 0, "1 to 43200"),
        ("VISIBILITY_TIMEOUT", 43_201, "1 to 43200"),
        ("VISIBILITY_TIMEOUT", "soon", "number"),
        ("VISIBILITY_TIMEOUT", 1.5, "whole"),
        ("VISIBILITY_TIMEOUT", True, "number"),
        ("VISIBILITY_TIMEOUT", "nan", "1 to 43200"),
        ("VISIBILITY_TIMEOUT", "1e400", "1 to 43200"),
        ("MAX_ATTEMPTS", 0, "1 to 1000"),
        ("TIME_LIMIT", 0, "above 0"),
        ("TIME_LIMIT", -1, "0 to"),
        ("TIME_LIMIT", "inf", "0 to"),
        ("RESULT_TTL", 59, "60 to"),
        ("POLL_MAX_WAIT", 61, "0 to 60"),
        ("POLL_MAX_WAIT", -1, "0 to 60"),
        ("MAX_MESSAGE_BYTES", 67_108_865, "1024 to"),
        ("SQS_QUEUE", "a b", "letters"),
        ("SQS_QUEUE", "q" * 81, "80"),
        ("SQS_QUEUE", "ä", "letters"),
        ("SQS_QUEUE", None, "text"),
        ("SQS_QUEUE_PREFIX", "a.b", "letters"),
        ("IMPORTS", 3, "names"),
        ("SIGNING_KEY", 3, "16 bytes"),
        ("SIGNING_KEY", f"{KEY} {OLD}", "in a list"),
    ],
)
def test_a_bad_value_is_named_with_its_place(
    name: str, value: Any, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(**{f"ASYNC_{name}": value})
    assert f"ASYNC_{name} in app.config" in str(caught.value)
    assert expected in str(caught.value)


def test_an_int_beyond_any_float_is_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match="1 to 43200"):
        loaded(ASYNC_VISIBILITY_TIMEOUT=10**400)


def test_a_bad_value_in_trytond_conf_is_named(conf: Conf) -> None:
    conf("async_sqs", "max_attempts", "many")
    with pytest.raises(ConfigurationError) as caught:
        loaded()
    assert "max_attempts" in str(caught.value)
    assert "[async_sqs]" in str(caught.value)


def test_an_unknown_setting_is_named(conf: Conf) -> None:
    with pytest.raises(ConfigurationError, match=r"ASYNC_BROKR in app\.config"):
        loaded(ASYNC_BROKR="sqs")
    conf("async_sqs", "brokr", "sqs")
    with pytest.raises(ConfigurationError, match=r"brokr .*\[async_sqs\]"):
        loaded()


def test_a_missing_key_tells_where_it_was_looked_for() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({})
    for place in ("ASYNC_SIGNING_KEY", "SECRET_KEY", "[async_sqs]"):
        assert place in str(caught.value)
    with pytest.raises(ConfigurationError, match="TRYTOND_ASYNC_SQS__SIGNING_KEY"):
        load()


def test_the_secret_key_signs_if_nothing_else_does() -> None:
    assert load({"SECRET_KEY": KEY}).signing_key == (KEY.encode(),)
    assert load({"SECRET_KEY": KEY.encode()}).signing_key == (KEY.encode(),)
    own = {"ASYNC_SIGNING_KEY": KEY, "SECRET_KEY": OLD, "SECRET_KEY_FALLBACKS": [OLDER]}
    assert load(own).signing_key == (KEY.encode(),)
    # Flask takes it as it is: it is one key.
    spaced = "a secret, with blanks\nand more"
    assert load({"SECRET_KEY": spaced}).signing_key == (spaced.encode(),)


def test_the_fallbacks_of_the_secret_key_are_accepted() -> None:
    config = {"SECRET_KEY": KEY, "SECRET_KEY_FALLBACKS": [OLD.encode(), OLDER]}
    assert load(config).signing_key == (KEY.encode(), OLD.encode(), OLDER.encode())
    assert load({"SECRET_KEY": KEY, "SECRET_KEY_FALLBACKS": None}).signing_key == (
        KEY.encode(),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "dev"),
        ("SECRET_KEY", b"dev"),
        ("SECRET_KEY", " " * 20),
        ("SECRET_KEY", 3),
        ("SECRET_KEY_FALLBACKS", [OLD, "dev"]),
        ("SECRET_KEY_FALLBACKS", OLD),
        ("SECRET_KEY_FALLBACKS", 3),
    ],
)
def test_a_secret_key_that_cannot_sign_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} in app\.config"):
        load({"SECRET_KEY": KEY, name: value})


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (KEY, [KEY]),
        (f" {KEY}\n", [KEY]),
        (f"{KEY},{OLD}", [KEY, OLD]),
        (f"{KEY}, {OLD} ,{OLDER}\n", [KEY, OLD, OLDER]),
        (f"\n{KEY}\r\n\n  {OLD}\n", [KEY, OLD]),
        ([KEY, OLD], [KEY, OLD]),
        ((KEY, OLD.encode()), [KEY, OLD]),
        ([" with, blanks around and inside "], [" with, blanks around and inside "]),
        # As app.config.from_prefixed_env() reads a key of digits.
        (12345678901234567890, ["12345678901234567890"]),
    ],
)
def test_one_key_or_several(value: Any, keys: list[str]) -> None:
    found = loaded(ASYNC_SIGNING_KEY=value).signing_key
    assert found == tuple(key.encode() for key in keys)


@pytest.mark.parametrize(
    "key", [b"\n 0123\t4567\x00\xff,89ab", b"a b\tc\nd, e  fgh ijkl", b"\0" * 16]
)
def test_a_key_of_bytes_is_one_key(key: bytes) -> None:
    for value in (key, bytearray(key), [key]):
        assert loaded(ASYNC_SIGNING_KEY=value).signing_key == (key,)
    assert load({"SECRET_KEY": key}).signing_key == (key,)


FERNET = base64.urlsafe_b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("value", "number"),
    [(FERNET, 1), (FERNET.encode(), 1), (f"{FERNET},{FERNET}", 2), ([FERNET], 1)],
)
def test_keys_for_encryption(value: Any, number: int) -> None:
    settings = loaded(ASYNC_ENCRYPTION_KEY=value)
    assert settings.encryption_key == (FERNET.encode(),) * number
    assert FERNET not in repr(settings)


@pytest.mark.parametrize(
    "value", ["", None, KEY, "x" * 44, FERNET[:-2], f"{FERNET}{FERNET}", [FERNET, KEY]]
)
def test_a_key_that_cannot_encrypt_is_named(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="ASYNC_ENCRYPTION_KEY"):
        loaded(ASYNC_ENCRYPTION_KEY=value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "\n",
        ",",
        f"{KEY},",
        f",{KEY}",
        f"{KEY},,{OLD}",
        "x" * 15,
        f"{KEY},short",
        [KEY, "short"],
        [KEY, " " * 20],
        [],
        b"",
        b" " * 17,
        b"x" * 15,
        [KEY, b""],
        [KEY, None],
        None,
        True,
        {KEY},
        {KEY: OLD},
        # Until now these were several keys; now it takes a comma.
        f"{KEY} {OLD}",
        "correct horse battery staple",
        "\ud800" * 20,
    ],
    ids=repr,
)
def test_no_key_falls_back_or_is_cut(value: Any) -> None:
    """Neither to the SECRET_KEY nor to a part of what was given."""
    with pytest.raises(ConfigurationError, match=r"ASYNC_SIGNING_KEY in app\.config"):
        loaded(SECRET_KEY=OLD, ASYNC_SIGNING_KEY=value)


def test_without_rows_a_call_is_as_large_as_sqs_takes() -> None:
    assert loaded(ASYNC_MAX_MESSAGE_BYTES=67_108_864).max_message_bytes == 67_108_864
    with pytest.raises(ConfigurationError, match="67108864"):
        loaded(ASYNC_MAX_MESSAGE_BYTES=67_108_865)
    bare = {"ASYNC_OUTBOX": "no", "ASYNC_BROKER": "sqs"}
    loaded(ASYNC_MAX_MESSAGE_BYTES=1_048_576, **bare)
    with pytest.raises(ConfigurationError, match="max_message_bytes = 1048577"):
        loaded(ASYNC_MAX_MESSAGE_BYTES=1_048_577, **bare)


def test_no_outbox_only_with_sqs() -> None:
    assert loaded(ASYNC_OUTBOX="no", ASYNC_BROKER="sqs").outbox is False
    with pytest.raises(ConfigurationError, match="outbox"):
        loaded(ASYNC_OUTBOX="no")
    with pytest.raises(ConfigurationError, match="results"):
        loaded(ASYNC_OUTBOX="no", ASYNC_BROKER="sqs", ASYNC_RESULTS="database")


def test_half_a_pair_of_keys() -> None:
    with pytest.raises(ConfigurationError, match="sqs_secret_key"):
        loaded(ASYNC_SQS_ACCESS_KEY="AKIA")


def test_secrets_are_in_no_text() -> None:
    secret = "tops3cret-of-this-shop"
    settings = loaded(
        ASYNC_SIGNING_KEY=secret,
        ASYNC_SQS_ACCESS_KEY=secret,
        ASYNC_SQS_SECRET_KEY=secret,
        ASYNC_SQS_ENDPOINT_URL=f"https://{secret}:{secret}@sqs.example.com/q",
    )
    described = settings.described()
    assert described["broker"] == "database"
    assert described["sqs_endpoint_url"] == "https://***@sqs.example.com/q"
    app = build("shop", replace(settings, broker="sqs"))
    owner = Owner("owner", 1, secret, "7")
    shown = (described, settings, [settings], app, owner, Caller(owner), vars(app))
    for it in shown:
        assert secret not in repr(it)
        assert secret not in f"{it} {it!s}"
    with pytest.raises(ConfigurationError) as caught:
        loaded(ASYNC_SQS_QUEUE=f"{secret} !")
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["localhost:4566", "sqs", "//host", "ftp://host", "http://", "http://u:p/w@h:x/"],
)
def test_an_endpoint_is_a_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ENDPOINT_URL"):
        loaded(ASYNC_SQS_ENDPOINT_URL=url)


def test_numbers_and_text_as_the_environment_gives_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Flask's from_prefixed_env() makes of each what JSON says it is."""
    environment = {
        "VISIBILITY_TIMEOUT": "90",
        "SEND_TIMEOUT": "1.5",
        "OUTBOX": "true",
        "IMPORTS": '["shop.tasks", "shop.mail"]',
        "SQS_QUEUE_OWNER": "123456789012",
        "SQS_QUEUE": "42",
        "SIGNING_KEY": "12345678901234567890",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"FLASK_ASYNC_{name}", value)
    config = Config("")
    config.from_prefixed_env()
    settings = load(config)
    assert (settings.visibility_timeout, settings.send_timeout) == (90, 1.5)
    assert settings.outbox is True
    assert settings.imports == ("shop.tasks", "shop.mail")
    assert settings.sqs_queue_owner == "123456789012"
    assert settings.sqs_queue == "42"
    assert settings.signing_key == (b"12345678901234567890",)


@pytest.mark.parametrize("value", ["90", " 90 ", "90.0", 90.0, "9e1"])
def test_a_number_may_be_text(value: Any) -> None:
    assert loaded(ASYNC_VISIBILITY_TIMEOUT=value).visibility_timeout == 90


def test_an_account_keeps_its_zeros() -> None:
    assert loaded(ASYNC_SQS_QUEUE_OWNER=12345678901).sqs_queue_owner == "012345678901"
    assert loaded(ASYNC_SQS_QUEUE_OWNER="0123").sqs_queue_owner == "0123"


@pytest.mark.parametrize("value", [True, 1e5, None, ["x"], b"x"])
def test_what_was_text_and_cannot_be_told_any_more_is_named(value: Any) -> None:
    for name in ("SQS_QUEUE", "SQS_QUEUE_OWNER", "SQS_SECRET_KEY"):
        with pytest.raises(ConfigurationError, match=rf"ASYNC_{name} .*text"):
            loaded(**{f"ASYNC_{name}": value})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        loaded().broker = "sqs"  # type: ignore[misc]
