"""Which end of a member needs a look at its batch."""

from __future__ import annotations

from devtools.messages import message
from nereid_async.brokers.base import Delivery
from nereid_async.worker.delivery_row import NoRow
from nereid_async.worker.held_members import HeldMembers
from nereid_async.worker.job import Job


def job(batch: str | None) -> Job:
    """A job that nobody looks at, without a row."""
    delivery = Delivery("", None, "q", 1)
    return Job(delivery, message(batch=batch), NoRow(delivery))


def test_only_the_last_member_that_is_held_is_followed_by_a_look() -> None:
    members = HeldMembers()
    first, second, other, alone = job("a"), job("a"), job("b"), job(None)
    for it in (first, second, other, alone):
        members.hold(it)
    assert members.let_go(first)
    assert not members.let_go(other)
    assert not members.let_go(alone)
    # Once more, as after its end each job is let go.
    assert members.let_go(first)
    assert not members.let_go(second)
    assert not members.let_go(second)


def test_one_that_is_handed_back_leaves_the_look_to_the_others() -> None:
    members = HeldMembers()
    handed_back, last = job("a"), job("a")
    members.hold(handed_back)
    members.hold(last)
    members.let_go(handed_back)
    assert not members.let_go(last)


def test_what_was_never_held_is_followed_by_a_look() -> None:
    assert not HeldMembers().let_go(job("a"))
