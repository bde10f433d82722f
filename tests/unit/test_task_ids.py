"""The id is the lock: only its own owner can read it."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from nereid_async.messages.task_ids import NOBODY, RANDOM_BITS, TAG_BITS, Owner, TaskIds

OWNER = Owner("owner", 1, "secret of the session", "7")
SHARED = Owner("shared", 1)
IDS = TaskIds([b"the key"], "shop")


def test_ids_are_uuids_of_version_8() -> None:
    parsed = uuid.UUID(IDS.new(OWNER))
    assert parsed.version == 8
    assert parsed.variant == uuid.RFC_4122


def test_enough_of_an_id_is_random_and_enough_is_tag() -> None:
    assert RANDOM_BITS >= 64
    assert TAG_BITS >= 58
    assert len({IDS.new(OWNER) for _ in range(1_000)}) == 1_000


def test_every_bit_of_an_id_varies_or_is_fixed_by_the_format() -> None:
    numbers = [uuid.UUID(IDS.new(OWNER)).int for _ in range(200)]
    seen_set = seen_clear = 0
    for number in numbers:
        seen_set |= number
        seen_clear |= ~number
    varying = seen_set & seen_clear & ((1 << 128) - 1)
    assert varying.bit_count() == RANDOM_BITS + TAG_BITS


@pytest.mark.parametrize("owner", [OWNER, SHARED, replace(OWNER, user="")])
def test_the_owner_reads(owner: Owner) -> None:
    assert IDS.readable_by(IDS.new(owner), [NOBODY, owner])


@pytest.mark.parametrize(
    "other",
    [
        replace(OWNER, secret="another session"),
        replace(OWNER, user="8"),
        replace(OWNER, user=""),
        replace(OWNER, website=2),
        replace(OWNER, website=None),
        replace(OWNER, kind="shared"),
        SHARED,
        NOBODY,
    ],
    ids=repr,
)
def test_nobody_else_reads(other: Owner) -> None:
    assert not IDS.readable_by(IDS.new(OWNER), [other])
    assert not IDS.readable_by(IDS.new(other), [OWNER])


def test_parts_do_not_run_into_each_other() -> None:
    """What is signed must tell secret "a", user "bc" from secret "ab", user "c"."""
    left, right = replace(OWNER, secret="a", user="bc"), replace(OWNER, secret="ab")
    assert not IDS.readable_by(IDS.new(left), [replace(right, user="c")])


def test_no_owner_no_reading() -> None:
    assert not IDS.readable_by(IDS.new(OWNER), [])


def test_another_database_and_another_key() -> None:
    made = IDS.new(OWNER)
    assert not TaskIds([b"the key"], "shop2").readable_by(made, [OWNER])
    assert not TaskIds([b"another key"], "shop").readable_by(made, [OWNER])


def test_key_rotation() -> None:
    old = IDS.new(OWNER)
    rotated = TaskIds([b"new key", b"the key"], "shop")
    assert rotated.readable_by(old, [OWNER])
    assert not IDS.readable_by(rotated.new(OWNER), [OWNER])


def test_any_flipped_bit_makes_it_unreadable() -> None:
    number = uuid.UUID(IDS.new(OWNER)).int
    for bit in range(128):
        forged = str(uuid.UUID(int=number ^ (1 << bit)))
        assert not IDS.readable_by(forged, [OWNER]), bit


def test_made_up_ids() -> None:
    for _ in range(1_000):
        assert not IDS.readable_by(str(uuid.uuid4()), [OWNER])


@pytest.mark.parametrize(
    "respell",
    [
        str.upper,
        lambda made: made.replace("-", ""),
        lambda made: f"{{{made}}}",
        lambda made: f"urn:uuid:{made}",
        lambda made: f" {made}",
        lambda made: f"{made}\n",
        lambda made: made[:-1],
        lambda made: made + "0",
        lambda made: made.replace("8", "\N{FULLWIDTH DIGIT EIGHT}", 1),
        lambda made: "",
        lambda made: "result",
        lambda made: "\0",
    ],
)
def test_only_one_spelling_is_taken(respell: object) -> None:
    made = IDS.new(OWNER)
    while made.upper() == made:
        made = IDS.new(OWNER)
    assert callable(respell)
    assert not IDS.readable_by(respell(made), [OWNER])
