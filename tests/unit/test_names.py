"""Queue names fit SQS's rules, and two databases never share one."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_async.errors import ConfigurationError
from nereid_async.names import QueueNames, database_part
from nereid_async.settings import Settings

REPLY_ID = "01234567-89ab-8def-8123-456789abcdef"


def names(database: str, **settings: str) -> QueueNames:
    return QueueNames(database, Settings(signing_key=(b"k",), **settings))  # type: ignore[arg-type]


def test_the_names_of_the_design() -> None:
    plain = names("shop")
    assert plain.task("trytond-async") == "shop-trytond-async"
    assert plain.dead("trytond-async") == "shop-trytond-async-dead"
    assert plain.reply(REPLY_ID) == f"shop-reply-{REPLY_ID}"
    prefixed = names("shop", sqs_queue_prefix="staging")
    assert prefixed.task("mail") == "staging-shop-mail"
    assert prefixed.reply(REPLY_ID) == f"staging-shop-reply-{REPLY_ID}"


@pytest.mark.parametrize("database", ["shop", "shop_2", "A" * 24])
def test_a_plain_name_stays(database: str) -> None:
    assert database_part(database) == database


@pytest.mark.parametrize("database", ["my-shop", "shop.de", "A" * 25, "Läden", "a b"])
def test_a_changed_name_ends_in_a_hash(database: str) -> None:
    part = database_part(database)
    assert re.fullmatch(r"[A-Za-z0-9_]{1,24}", part)
    assert re.search(r"_[0-9a-f]{8}$", part)


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_databases_different_names(left: str, right: str) -> None:
    same = database_part(left) == database_part(right)
    assert same == (left == right)
    assert re.fullmatch(r"[A-Za-z0-9_]{1,24}", database_part(left))


def test_the_longest_reply_name_fits() -> None:
    longest = names("A" * 100, sqs_queue_prefix="p" * 12)
    assert len(longest.reply(REPLY_ID)) <= 80


def test_a_prefix_that_is_too_long_is_named() -> None:
    with pytest.raises(ConfigurationError, match="sqs_queue_prefix"):
        names("A" * 24, sqs_queue_prefix="p" * 13)


def test_a_queue_that_is_too_long_is_named() -> None:
    with pytest.raises(ConfigurationError, match="queue"):
        names("shop", sqs_queue="q" * 75)
    with pytest.raises(ConfigurationError, match="queue"):
        names("shop").task("q" * 76)


@pytest.mark.parametrize(
    "other",
    [
        "shop-trytond-async",
        "shop-reply-",
        "shop-reply-x",
        f"shop-reply-{REPLY_ID}x",
        f"xshop-reply-{REPLY_ID}",
        f"shop2-reply-{REPLY_ID}",
        f"other-shop-reply-{REPLY_ID}",
        f"shop-reply-{REPLY_ID.upper()}",
        f"shop-reply-{REPLY_ID}-dead",
        f"shop-reply-{REPLY_ID}\n",
    ],
)
def test_only_reply_queues_of_this_database_are_taken_for_such(other: str) -> None:
    assert names("shop").task_id_of_reply(other) is None


def test_a_reply_queue_is_known_again() -> None:
    some = str(uuid.uuid4())
    prefixed = names("shop", sqs_queue_prefix="a-b")
    assert prefixed.task_id_of_reply(prefixed.reply(some)) == some
