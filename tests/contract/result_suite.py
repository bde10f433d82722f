"""What every result store must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nereid_async.messages.outcome import Failure, Outcome, State
from tests.contract.stores import Keeper

LARGE = "x" * 900_000


class ResultSuite:
    """Subclass it and provide the fixture ``keeper``."""

    def test_a_task_that_waits_is_pending(self, keeper: Keeper) -> None:
        status = keeper.store().look(keeper.defer())
        assert status is not None
        assert status.state is State.PENDING
        assert status.outcome is None
        assert not status.gone

    def test_a_task_that_nobody_knows(self, keeper: Keeper) -> None:
        status = keeper.store().look("00000000-0000-8000-8000-000000000000")
        if keeper.knows_tasks:
            assert status is None
        else:
            assert status is not None
            assert status.state is State.PENDING

    @pytest.mark.parametrize(
        "value",
        [None, 0, False, "", [], {}, 1.5, "☃ \0 \ud800", [1, {"a": None}], LARGE],
        ids=lambda value: repr(value)[:20],
    )
    def test_an_outcome_comes_back_as_it_was(self, keeper: Keeper, value: Any) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(value, value))
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.state is State.DONE
        assert status.outcome == Outcome(value, value)

    def test_a_browser_may_get_another_form(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        outcome = Outcome({"$": "decimal", "v": "1.10"}, "1.10")
        keeper.finish(task_id, outcome)
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.outcome == outcome

    def test_a_failure_comes_back_with_its_traceback(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        failure = Failure("ValueError", "no ☃ \0", "Traceback …\n  line\n")
        keeper.finish(task_id, Outcome(failure=failure))
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.state is State.FAILED
        assert status.outcome is not None
        assert status.outcome.failure is not None
        assert status.outcome.failure.type == "ValueError"
        assert status.outcome.failure.message == failure.message
        assert "  line\n" in status.outcome.failure.traceback
        assert "traceback" not in repr(status.outcome.failure.as_json()).lower()

    def test_a_cancelled_task_says_so_until_it_is_acknowledged(
        self, keeper: Keeper
    ) -> None:
        task_id = keeper.defer()
        keeper.cancel(task_id)
        for _ in range(2):
            status = keeper.store().look(task_id)
            assert status is not None
            assert status.state is State.CANCELLED
            assert status.outcome == Outcome(cancelled=True)
        keeper.store().delete(task_id)
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.outcome is None

    def test_looking_does_not_consume(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1))
        seen = [keeper.store().look(task_id) for _ in range(4)]
        assert [s and s.outcome for s in seen] == [Outcome(1, 1)] * 4

    def test_several_look_at_the_same_time(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1))
        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(keeper.store().look, [task_id] * 4))
        assert [s and s.outcome for s in seen] == [Outcome(1, 1)] * 4

    def test_outcomes_are_not_mixed_up(self, keeper: Keeper) -> None:
        ids = [keeper.defer() for _ in range(3)]
        for number, task_id in enumerate(ids):
            keeper.finish(task_id, Outcome(number, number))
        store = keeper.store()
        for number, task_id in enumerate(ids):
            status = store.look(task_id)
            assert status is not None
            assert status.outcome == Outcome(number, number)

    def test_what_was_forgotten_is_not_told_again(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1))
        store = keeper.store()
        store.delete(task_id)
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.outcome is None
        if keeper.knows_tasks:
            assert status.gone
            assert status.state is State.DONE

    def test_forgetting_twice_or_too_early_does_not_hurt(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        store = keeper.store()
        store.delete(task_id)
        status = store.look(task_id)
        assert status is not None
        assert not status.gone
        keeper.finish(task_id, Outcome(1, 1))
        store.delete(task_id)
        store.delete(task_id)

    def test_what_was_withdrawn_is_told_no_more(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        keeper.store().withdraw(task_id)
        keeper.finish(task_id, Outcome(failure=Failure("ValueError", "no")))
        keeper.store().withdraw(task_id)
        if not keeper.knows_tasks:
            status = keeper.store().look(task_id)
            assert status is not None
            assert status.outcome is None
            keeper.finish(task_id, Outcome(1, 1))
            status = keeper.store().look(task_id)
            assert status is not None
            assert status.outcome == Outcome(1, 1)

    def test_a_failure_can_be_forgotten(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(failure=Failure("ValueError", "no")))
        keeper.store().delete(task_id)
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.outcome is None


class RowResultSuite(ResultSuite):
    """What is known besides where a task has a row."""

    def test_a_task_that_runs(self, keeper: Keeper) -> None:
        task_id = keeper.defer()
        keeper.start(task_id)
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.state is State.RUNNING
        assert status.progress is None
