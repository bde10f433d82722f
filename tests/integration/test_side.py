"""One in a role at a time."""

from __future__ import annotations

from nereid_async import side


def test_one_is_alone_until_it_is_done(database: str) -> None:
    with side.alone(database, "relay") as first:
        with side.alone(database, "relay") as second:
            assert first
            assert not second
        # One that was not alone must not let go of what another one holds.
        with side.alone(database, "relay") as third:
            assert not third
    with side.alone(database, "relay") as fourth:
        assert fourth


def test_roles_and_databases_are_apart(database: str, cloned_database: str) -> None:
    with (
        side.alone(database, "relay") as relay,
        side.alone(database, "reaper") as reaper,
        side.alone(cloned_database, "relay") as other,
    ):
        assert relay
        assert reaper
        assert other
