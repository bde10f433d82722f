"""What went wrong is kept, attempt by attempt; and some runs are no attempts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.messages import message
from nereid_async.messages.outcome import Failure, Outcome, State
from nereid_async.rows import FailedAttempt, Row, TaskRows
from nereid_async.rows.attempts import KEPT_ATTEMPTS
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests import plain_tasks
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import command, query, run_until, states

QUICK = 0.001


def rows_of(database: str) -> TaskRows:
    return TaskRows(database)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "runs")


def runs(path: str) -> list[str]:
    return Path(path).read_text().split()


def test_at_a_date(script: Script, path: str) -> None:
    at = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=1.5)
    with script.transaction():
        # Without a zone, in UTC, as Tryton's dates are.
        plain_tasks.run_again_at.defer(path, at.replace(tzinfo=None))
    run_until(script, lambda: states(script.database) == ["done"])
    _, second = map(float, runs(path))
    assert second >= at.timestamp() - 0.01


class TestSnooze:
    def test_uses_up_no_attempt(self, script: Script, path: str) -> None:
        with script.transaction():
            plain_tasks.snooze.defer(path, 4)
        run_until(script, lambda: states(script.database) == ["done"])
        assert runs(path) == ["1"] * 5

    @pytest.fixture
    def bare(self, tryton_conf: ConfWriter, database: str, ministack: str) -> Script:
        settings = sqs_settings(ministack)
        tryton_conf(signing_key=SECRET_KEY, outbox="no", **settings)
        return Script(database)

    @pytest.mark.backends("sqlite")
    def test_without_an_outbox_each_receive_counts(
        self, bare: Script, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It cannot be otherwise: it is said, once, and the task comes to an end."""
        with bare.transaction():
            plain_tasks.snooze.configure(max_attempts=3).defer(path, 99)

        def is_over() -> bool:
            return "failed for good" in caplog.text

        run_until(bare, is_over)
        assert runs(path) == ["1", "2", "3"]
        assert caplog.text.count("counts all the same") == 1
        assert "Set outbox = yes" in caplog.text


class TestHistory:
    def test_of_a_task(self, script: Script, path: str) -> None:
        before = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        with script.transaction():
            task = plain_tasks.snooze_then_fail.configure(retry_delay=QUICK)
            result = task.defer(path)
        run_until(script, lambda: states(script.database) == ["failed"])
        first, snoozed, second, third = rows_of(script.database).attempts(result.id)
        assert first.failure.text == "ValueError: run 1 \\x00"
        assert "in snooze_then_fail" in first.failure.traceback
        assert first.worker.rpartition(":")[2].isdigit()
        assert first.failed_at is not None
        assert abs(first.failed_at - before) < dt.timedelta(seconds=60)
        # Not that it wanted another run is told, but why.
        assert snoozed.failure.text == "OSError: the server is away"
        found = [(it.attempt, it.counted) for it in (first, snoozed, second, third)]
        assert found == [(1, True), (2, False), (2, True), (3, True)]
        ((error,),) = query(script.database, "SELECT error FROM async_task")
        assert third.failure.id in error

    def test_an_administrators_retry_keeps_it(self, script: Script, path: str) -> None:
        with script.transaction():
            task = plain_tasks.fail_below.configure(max_attempts=1)
            result = task.defer("x")
        script.burst()
        assert "again" in command(script.database, "retry", result.id)
        runtime = of_database(script.database)
        if not runtime.rows_are_messages and runtime.rows is not None:
            Relay(runtime, runtime.rows).send_round(0)

        def failed_twice() -> bool:
            return len(rows_of(script.database).attempts(result.id)) == 2

        run_until(script, failed_twice)
        found = rows_of(script.database).attempts(result.id)
        assert [it.attempt for it in found] == [1, 1]

    def test_what_does_not_fail_leaves_none(self, script: Script) -> None:
        with script.transaction():
            plain_tasks.multiply.defer(2, 3)
        script.burst()
        assert query(script.database, "SELECT count(*) FROM async_attempt") == [(0,)]

    def test_the_reaper_takes_it_with_the_row(self, script: Script) -> None:
        with script.transaction():
            plain_tasks.fail_below.defer("x")
        script.burst()
        assert rows_of(script.database).reap(-1, 10) >= 1
        assert query(script.database, "SELECT count(*) FROM async_attempt") == [(0,)]


class TestRows:
    @pytest.fixture
    def failing(self, database: str) -> Iterator[Any]:
        """Lets the attempts of a task fail, one after the other."""
        rows, made = rows_of(database), message()
        rows.insert_apart([Row(made, "text")], notify=False)

        def fail(failure: Failure) -> TaskRows:
            claim = rows.claim_ids([made.id], 60)[made.id]
            number = claim.attempt + 1
            failed = FailedAttempt(failure, number)
            rows.release(claim, State.PENDING, 0, number, failed)
            return rows

        yield made.id, fail

    def test_the_last_ones_are_kept(self, failing: Any) -> None:
        task_id, fail = failing
        for number in range(KEPT_ATTEMPTS + 3):
            rows = fail(Failure("E", str(number)))
        kept = [it.failure.message for it in rows.attempts(task_id)]
        assert kept == [str(it) for it in range(3, KEPT_ATTEMPTS + 3)]

    def test_they_are_bounded_as_failures_are(self, failing: Any) -> None:
        task_id, fail = failing
        large = Failure.of(ValueError("☃" * 3_000_000))
        (kept,) = fail(large).attempts(task_id)
        assert kept.failure == large
        assert len(kept.failure.message) < 20_000

    def test_of_a_lost_claim_nothing_is_kept(self, failing: Any, database: str) -> None:
        from nereid_async.errors import LeaseLost

        task_id, fail = failing
        rows = fail(Failure("E", "1"))
        late = rows.claim_ids([task_id], 0)[task_id]
        failed = FailedAttempt(Failure("E", "late"), 2)
        rows.finish_apart(late, Outcome(failure=failed.failure), 60, failed)
        with pytest.raises(LeaseLost):
            rows.release(late, State.PENDING, 0, 2, failed)
        assert len(rows.attempts(task_id)) == 2
