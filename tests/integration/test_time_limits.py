"""An attempt that takes longer than its time limit has failed, wherever it stands."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devtools.workers import worker_thread
from nereid_async import signals
from nereid_async.errors import TaskCancelled, TaskFailed, TimeLimitExceeded
from nereid_async.worker.attempt import Attempt
from nereid_async.worker.interrupt import Interrupter
from nereid_async.worker.job import Job
from tests import overlong_tasks
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query, run_until, states, wait_until
from tests.marks import ONE_BROKER, ONE_DATABASE, once

# It may strike a callback of the garbage collector, such as hypothesis has, which
# swallows it; then it is raised again.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
LIMIT_S = 0.3


class Ends:
    """When attempts began, and when they had ended, by their signals."""

    def __init__(self) -> None:
        self.began_s = 0.0
        self.took_s: list[float] = []

    def began(self, sender: Any, **facts: Any) -> None:
        self.began_s = time.monotonic()

    def ended(self, sender: Any, **facts: Any) -> None:
        self.took_s.append(time.monotonic() - self.began_s)


@pytest.mark.parametrize(
    "name", ["compute", "query", "query_beside_a_cursor", "query_elsewhere", "swallow"]
)
def test_it_ends_within_a_second_after_its_limit(
    script: Script, database: str, name: str
) -> None:
    task = getattr(overlong_tasks, name).configure(time_limit=LIMIT_S)
    ends = Ends()
    with script.transaction():
        task.configure(ignore_result=False).defer()
        result = task.configure(ignore_result=False).defer()
        script.record.write_entry.defer("after them")
    with (
        signals.task_started.connected_to(ends.began),
        signals.task_failed.connected_to(ends.ended),
    ):
        script.burst()
    assert len(ends.took_s) == 2
    assert max(ends.took_s) < LIMIT_S + 1
    assert states(database) == ["failed", "failed", "done"]
    assert labels(database) == ["after them"]
    with script.transaction(), pytest.raises(TaskFailed) as caught:
        result.get(timeout=10)
    assert caught.value.type == "TimeLimitExceeded"
    assert caught.value.message == "took longer than its time limit of 0.3 s"


@ONE_BROKER
def test_it_is_raised_again_until_the_attempt_ends(
    script: Script, database: str
) -> None:
    with script.transaction():
        overlong_tasks.swallow_and_go_on.configure(time_limit=0.1).defer()
    script.burst()
    assert states(database) == ["failed"]


@ONE_BROKER
def test_it_is_tried_again_by_the_rules(script: Script, database: str) -> None:
    with script.transaction():
        overlong_tasks.compute_at_first.configure(time_limit=LIMIT_S).defer()
    run_until(script, lambda: states(database) == ["done"])
    assert labels(database) == ["attempt 2"]


@once
def test_the_setting_holds_for_tasks_without_one_of_their_own(
    script: Script, database: str, tryton_conf: ConfWriter
) -> None:
    tryton_conf(time_limit=0.2)
    with script.transaction():
        overlong_tasks.compute.defer()
        overlong_tasks.spin.configure(time_limit=60).defer(0.4, "longer")
    script.burst()
    assert states(database) == ["failed", "done"]


@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
@ONE_DATABASE
def test_without_rows(script: Script, database: str, tryton_conf: ConfWriter) -> None:
    tryton_conf(outbox="no")
    with script.transaction():
        task = overlong_tasks.compute.configure(time_limit=LIMIT_S)
        result = task.configure(ignore_result=False).defer()
        script.record.write_entry.defer("after it")
    script.burst()
    assert labels(database) == ["after it"]
    with script.transaction(), pytest.raises(TaskFailed, match="TimeLimitExceeded"):
        result.get(timeout=10)


@once
def test_a_process_that_nobody_replaces_says_so_and_goes_on(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tryton_conf(time_limit_grace=0.2)
    started = str(tmp_path / "started")
    with script.transaction():
        task = overlong_tasks.work_beside.configure(time_limit=0.1, max_attempts=1)
        task.defer(started, 1.5)
        script.record.write_entry.defer("after it")
    script.burst()
    assert states(database) == ["failed", "done"]
    (text,) = [it.getMessage() for it in caplog.records if "within 0.2 s" in it.message]
    assert "Nothing would replace this process" in text
    assert "time.sleep(seconds)" in text


@ONE_BROKER
def test_a_cancel_that_interrupts(
    script: Script, database: str, tmp_path: Path
) -> None:
    """A run that never asks hears of it by a heartbeat."""
    started = tmp_path / "started"
    with script.transaction():
        task = overlong_tasks.compute_only.configure(visibility_timeout=1)
        result = task.configure(ignore_result=False).defer(str(started))
    with worker_thread(database):
        wait_until(started.exists)
        assert result.cancel(interrupt=True) == "running"
        wait_until(lambda: states(database) == ["cancelled"])
    assert started.read_text() == "begun\n"
    with script.transaction(), pytest.raises(TaskCancelled):
        result.get(timeout=5)


@ONE_BROKER
def test_tasks_that_end_around_their_limit(script: Script, database: str) -> None:
    """Each ends in one of two ways, and no thread is lost."""
    number, limit_s = 120, 0.03
    chance = random.Random(1)
    with script.transaction():
        task = overlong_tasks.spin.configure(time_limit=limit_s)
        for i in range(number):
            task.defer(limit_s * chance.uniform(0.5, 1.1), str(i))
    with worker_thread(database, threads=2):
        wait_until(lambda: not {"pending", "running"} & set(states(database)), 60)
    ended = query(database, "SELECT state, error FROM async_task ORDER BY id")
    failed = [error for state, error in ended if state == "failed"]
    assert all("TimeLimitExceeded" in error for error in failed)
    done = [str(i) for i, (state, _) in enumerate(ended) if state == "done"]
    assert sorted(labels(database), key=int) == done
    assert len(failed) + len(done) == number
    assert failed and done


@ONE_BROKER
def test_races_of_the_end_and_the_limit(script: Script, database: str) -> None:
    """What is raised too late strikes neither the worker nor the next attempt."""
    limit_s, number = 0.001, 400
    message = script.message_of(
        lambda: overlong_tasks.spin.configure(time_limit=limit_s).defer(0, "")
    )
    interrupter = Interrupter(30, print)
    counts = {"done": 0, "interrupted": 0}
    lock = threading.Lock()

    def attempts(seed: int) -> None:
        chance = random.Random(seed)
        with script.transaction() as transaction:
            for _ in range(number):
                job = Job(None, message, None)  # type: ignore[arg-type]
                attempt = Attempt(job)
                end_s = time.monotonic() + limit_s * chance.uniform(0.5, 1.5)
                with interrupter.watched(attempt):
                    try:
                        attempt.call(partial(spin, end_s), transaction.connection)
                        way = "done"
                    except TimeLimitExceeded:
                        way = "interrupted"
                # Nobody's: an exception here ends the thread.
                spin(time.monotonic() + 0.0005)
                with lock:
                    counts[way] += 1

    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(attempts, seed) for seed in range(2)]:
            run.result()
    interrupter.stop()
    assert sum(counts.values()) == 2 * number
    assert min(counts.values()) > number / 10


def spin(end_s: float) -> None:
    while time.monotonic() < end_s:
        pass
