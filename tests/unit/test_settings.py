"""Settings: found in their places, checked at start, named when wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from trytond.config import config

from nereid_async.errors import ConfigurationError
from nereid_async.settings import Settings, load

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
        config.remove_option(section, name)


def loaded(**app_config: Any) -> Settings:
    return load({"ASYNC_SIGNING_KEY": "k", **app_config})


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
    conf("async_sqs", "signing_key", "from the file")
    conf("async_sqs", "outbox", "no")
    conf("async_sqs", "broker", "sqs")
    settings = load()
    assert settings.signing_key == (b"from", b"the", b"file")
    assert settings.outbox is False


def test_the_old_place_of_sqs_options(conf: Conf) -> None:
    conf("options", "sqs_queue", "old-queue")
    conf("options", "sqs_region", "eu-west-1")
    conf("options", "unrelated", "x")
    conf("async_sqs", "sqs_region", "eu-central-1")
    settings = loaded()
    assert settings.sqs_queue == "old-queue"
    assert settings.sqs_region == "eu-central-1"


def test_the_environment_reaches_it_through_trytond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRYTOND_ASYNC_SQS__MAX_ATTEMPTS", "9")
    config.update_environ()
    try:
        assert loaded().max_attempts == 9
    finally:
        config.remove_option("async_sqs", "max_attempts")


def test_other_names_in_app_config_are_left_alone() -> None:
    assert loaded(MAX_ATTEMPTS=3, SECRET_KEY="x", SYNC_X=1) == loaded()


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
        ("MAX_ATTEMPTS", 0, "1 to 1000"),
        ("RESULT_TTL", 59, "60 to"),
        ("POLL_MAX_WAIT", 61, "0 to 60"),
        ("POLL_MAX_WAIT", -1, "0 to 60"),
        ("MAX_MESSAGE_BYTES", 1_048_577, "1024 to"),
        ("SQS_QUEUE", "a b", "letters"),
        ("SQS_QUEUE", "q" * 81, "80"),
        ("SQS_QUEUE", "ä", "letters"),
        ("SQS_QUEUE", None, "text"),
        ("SQS_QUEUE_PREFIX", "a.b", "letters"),
        ("IMPORTS", 3, "names"),
        ("SIGNING_KEY", 3, "key"),
    ],
)
def test_a_bad_value_is_named_with_its_place(
    name: str, value: Any, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(**{f"ASYNC_{name}": value})
    assert f"ASYNC_{name} in app.config" in str(caught.value)
    assert expected in str(caught.value)


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
    with pytest.raises(ConfigurationError, match="signing key"):
        load({"ASYNC_SIGNING_KEY": "  "})


def test_the_secret_key_signs_if_nothing_else_does() -> None:
    assert load({}, default_key="secret").signing_key == (b"secret",)
    assert load({"ASYNC_SIGNING_KEY": "own"}, default_key="x").signing_key == (b"own",)
    assert loaded(ASYNC_SIGNING_KEY="new old").signing_key == (b"new", b"old")


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
    secret = "tops3cret"
    described = loaded(
        ASYNC_SIGNING_KEY=secret,
        ASYNC_SQS_ACCESS_KEY=secret,
        ASYNC_SQS_SECRET_KEY=secret,
    ).described()
    assert secret not in repr(described)
    assert described["broker"] == "'database'"
    with pytest.raises(ConfigurationError) as caught:
        loaded(ASYNC_SQS_QUEUE=f"{secret} !")
    assert secret not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        loaded().broker = "sqs"  # type: ignore[misc]
