"""The ledger sees what it is there to see."""

from __future__ import annotations

from collections import Counter

from trytond.modules.async_test.chaos import FAILS

from tests.chaos.ledger import Cancels, weigh
from tests.chaos.promises import (
    Batch,
    Callback,
    Callbacks,
    callbacks,
    out_of_order,
    repeated,
    swallowed,
    waited_twice,
)


def weighed(asked: str, effects: str, begun: int = 0) -> tuple[int, int, int]:
    numbers = weigh(Counter(asked), Counter(effects), begun, copies=0, kills=0)
    return numbers.lost, numbers.doubled, numbers.unasked


def test_all_is_well() -> None:
    assert weighed("abc", "cab") == (0, 0, 0)


def test_what_is_lost() -> None:
    assert weighed("abc", "c") == (2, 0, 0)


def test_what_is_doubled() -> None:
    assert weighed("abc", "abbbc") == (0, 2, 0)


def test_what_was_rolled_back() -> None:
    assert weighed("abc", "abcdd") == (0, 0, 2)


def test_asked_for_twice_is_not_doubled() -> None:
    assert weighed("aab", "aab") == (0, 0, 0)
    assert weighed("aab", "ab") == (1, 0, 0)


def test_duplicates() -> None:
    numbers = weigh(Counter("ab"), Counter("ab"), begun=5, copies=2, kills=1)
    assert (numbers.tasks, numbers.kills) == (2, 1)
    assert numbers.duplicates_delivered == 5
    assert list(numbers.lines())[-6:-4] == ["lost: 0", "doubled: 0"]


def test_what_is_to_fail_is_neither_lost_nor_an_effect() -> None:
    asked = Counter({f"{FAILS}a": 1, "b": 1})
    numbers = weigh(asked, Counter("b"), begun=2, copies=0, kills=0)
    assert (numbers.tasks, numbers.lost, numbers.unasked) == (2, 0, 0)
    assert numbers.duplicates_delivered == 0
    # One failed row makes up for it.
    assert numbers.failed == -1


def test_what_is_cancelled_is_not_lost_and_has_no_effect() -> None:
    counts = Counter("abc"), Counter("ab")
    numbers = weigh(*counts, begun=2, copies=0, kills=0, cancelled=Counter("bc"))
    assert (numbers.lost, numbers.cancelled) == (0, 2)
    assert numbers.cancelled_and_done == 1


def test_what_cancel_said_is_held_against_what_became_of_it() -> None:
    found = (("1", "pending"), ("2", "running"), ("3", "done"))
    asked = frozenset("1234")
    assert Cancels(asked, found, frozenset("12")).broken == 0
    # One was said to wait, and ran; nobody has cancelled another one.
    assert Cancels(asked, found, frozenset("2")).broken == 1
    assert Cancels(asked, found, frozenset("125")).broken == 1


def test_what_is_out_of_order() -> None:
    committed = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")]
    assert out_of_order(committed, ["2", "1", "3", "4"]) == 0
    # One that was cancelled leaves its place; others have no group.
    assert out_of_order(committed, ["1", "x", "4"]) == 0
    assert out_of_order(committed, ["4", "1", "2", "3"]) == 2


def test_what_tasks_with_keys_do_twice() -> None:
    assert repeated(["a", "b"]) == 0
    assert repeated(["a", "b", "a", "a"]) == 2


def test_what_is_swallowed() -> None:
    assert swallowed([(1, "a"), (2, "a"), (3, "b")], {"a": {1, 2}, "b": {2, 3}}) == 0
    # One came after the look of the run that had its key; one has no run.
    assert swallowed([(1, "a"), (2, "a"), (3, "b")], {"a": {1, 3}}) == 2


def test_what_waits_twice_with_one_key() -> None:
    assert waited_twice([("a", 1, 3), ("a", 3, 5), ("b", 2, 4), ("a", 6, None)]) == 0
    assert waited_twice([("a", 1, 3), ("a", 2, 5)]) == 1
    assert waited_twice([("a", 1, None), ("a", 2, 5)]) == 1
    # The first one still waits when the third comes.
    assert waited_twice([("a", 1, 9), ("a", 2, 3), ("a", 4, 5)]) == 2


def called(*ran: Callback, state: str = "done", asked: bool = False) -> Callbacks:
    return callbacks({"1": Batch(state, asked, failed=True, last=5)}, ran)


def test_what_batches_call() -> None:
    then, failure = Callback("1", False, 0, 6), Callback("1", True, 0, 7)
    assert called(then, failure) == Callbacks(0, 0, 0)
    assert called(then, failure, then) == Callbacks(1, 0, 0)
    assert called(failure) == Callbacks(0, 1, 0)
    assert called(state="running") == Callbacks(0, 2, 0)
    # Of a batch that was rolled back.
    assert called(then, failure, Callback("2", False, 0, 8)) == Callbacks(1, 0, 0)


def test_what_batches_call_too_early() -> None:
    failure = Callback("1", True, 0, 7)
    assert called(Callback("1", False, 1, 6), failure) == Callbacks(0, 0, 1)
    assert called(Callback("1", False, 0, 4), failure) == Callbacks(0, 0, 1)


def test_a_batch_calls_nothing_if_somebody_has_cancelled_it() -> None:
    assert called(state="cancelled", asked=True) == Callbacks(0, 0, 0)
    assert called(state="cancelled") == Callbacks(0, 2, 0)
