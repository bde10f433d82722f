"""Queue names fit SQS's rules, and two databases never share one."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nereid_async.errors import ConfigurationError
from nereid_async.settings import Settings
from nereid_async.sqs.queue_names import (
    QueueNames,
    check_kind,
    checked_queue,
    database_part,
)

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


def test_a_hyphen_in_a_queue_is_doubled() -> None:
    """A single one ends the database's name; that of the default queue is known."""
    assert names("shop").task("order-mail") == "shop-order--mail"
    assert names("shop").dead("order-mail") == "shop-order--mail-dead"
    prefixed = names("shop", sqs_queue_prefix="my-company")
    assert prefixed.task("mail") == "my-company-shop-mail"


def test_an_ordered_queue_keeps_its_suffix() -> None:
    shop = names("shop")
    assert shop.task("order-mail.fifo") == "shop-order--mail.fifo"
    assert shop.dead("order-mail.fifo") == "shop-order--mail-dead.fifo"
    assert shop.short_name("shop-order--mail.fifo") == "order-mail.fifo"
    assert shop.short_name("shop-order--mail-dead.fifo") is None
    assert shop.short_name_of_dead("shop-order--mail-dead.fifo") == "order-mail.fifo"
    assert shop.short_name_of_dead("shop-order--mail.fifo") is None
    assert shop.short_name("shop-order--mail") == "order-mail"


@pytest.mark.parametrize(
    "queue", ["dead", "-mail", "mail-", "-", "", ".fifo", "dead.fifo", "a.b.fifo"]
)
def test_a_queue_whose_name_could_be_anothers_is_refused(queue: str) -> None:
    with pytest.raises(ConfigurationError, match="queue"):
        names("shop").task(queue)
    with pytest.raises(ConfigurationError, match="queue"):
        names("shop").dead(queue)
    with pytest.raises(ConfigurationError, match="queue"):
        checked_queue(queue)


#: Of these, names of queues could be put together in more ways than one.
PARTS = st.lists(
    st.sampled_from(
        ["a", "b", "-", "_", "dead", "reply", "trytond", "async", REPLY_ID]
    ),
    max_size=6,
).map("".join)


@given(PARTS, PARTS.filter(bool), PARTS, PARTS, PARTS.filter(bool), PARTS)
@example("", "a", "b-c", "a", "b", "c")
@example("", "trytond", "async", "", "trytond", "trytond-async")
@example("", "a", "trytond-async", "a", "trytond", "async")
@example("", "a", "b", "a", "b", "dead")
@example("", "a", "b-dead", "", "a", "b")
def test_no_two_queues_meet(
    prefix: str, database: str, queue: str, prefix2: str, database2: str, queue2: str
) -> None:
    left = _all_names(prefix, database, queue)
    right = _all_names(prefix2, database2, queue2)
    same_place = (prefix, database) == (prefix2, database2)
    for kind, name in left.items():
        for other, other_name in right.items():
            same = same_place and (kind == "reply" or queue == queue2)
            assert (name == other_name) == (same and kind == other), (name, kind, other)


def _all_names(prefix: str, database: str, queue: str) -> dict[str, str]:
    try:
        made = names(database, sqs_queue_prefix=prefix)
        return {
            "task": made.task(queue),
            "dead": made.dead(queue),
            "reply": made.reply(REPLY_ID),
        }
    except ConfigurationError:
        # Too long, or of a form that is not taken.
        return {}


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


@pytest.mark.parametrize(
    ("name", "keeps_order", "kind"),
    [("shop-mail", "true", "a FIFO queue"), ("shop-mail.fifo", "false", "a standard")],
)
def test_a_queue_of_the_other_kind(name: str, keeps_order: str, kind: str) -> None:
    """SQS itself lets no FIFO queue have another name; a likeness of it may."""
    check_kind("shop-mail", {})
    check_kind("shop-mail.fifo", {"FifoQueue": "true"})
    with pytest.raises(ConfigurationError, match=f"queue {name} is {kind}"):
        check_kind(name, {"FifoQueue": keeps_order})
