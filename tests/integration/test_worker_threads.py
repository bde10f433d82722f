"""No exception costs a worker a thread; a thread that ends all the same is noticed."""

from __future__ import annotations

from typing import Any

import pytest

from tests import rough_tasks
from tests.fixtures.scripts import Script
from tests.helpers import labels, query, run_until, states

pytestmark = [
    pytest.mark.backends("sqlite"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def work(database: str, **options: Any) -> int:
    """Run a worker process in this one; returns its exit code."""
    from nereid_async.runtime import of_database
    from nereid_async.worker.options import WorkerOptions
    from nereid_async.worker.process import WorkerProcess

    process = WorkerProcess(of_database(database), WorkerOptions(burst=True, **options))
    return process.run()


@pytest.mark.parametrize("name", rough_tasks.ODD)
def test_what_is_no_exception_fails_the_attempt_only(
    script: Script, database: str, name: str
) -> None:
    with script.transaction():
        rough_tasks.raise_once.defer(name)
        script.record.write_entry.defer("after it")
    script.burst()
    assert labels(database) == ["after it"]
    run_until(script, lambda: states(database) == ["done", "done"])
    assert query(database, "SELECT attempt FROM async_run ORDER BY id")[0] == (2,)


def test_sys_exit_ends_the_task_and_not_the_worker(
    script: Script, database: str
) -> None:
    with script.transaction():
        rough_tasks.leave.defer()
        script.record.write_entry.defer("after it")
    script.burst()
    assert states(database) == ["failed", "done"]


@pytest.mark.parametrize("name", ["task_started", "task_succeeded", "task_retried"])
def test_a_receiver_of_a_signal_may_raise_anything(
    script: Script, database: str, name: str
) -> None:
    from nereid_async import signals

    def receiver(sender: Any, **facts: Any) -> None:
        raise rough_tasks.OwnInterrupt("of a receiver")

    with script.transaction():
        rough_tasks.raise_once.defer("own")
        script.record.write_entry.defer("after it")
    with getattr(signals, name).connected_to(receiver):
        run_until(script, lambda: states(database) == ["done", "done"])


@pytest.mark.parametrize("name", ["row-leases", "reaper"])
def test_a_thread_that_ends_all_the_same_ends_the_process(
    script: Script, database: str, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with script.transaction():
        rough_tasks.end_thread.defer(name)
        script.record.write_entry.defer("after it")
    assert work(database) == 1
    (record,) = (it for it in caplog.records if it.levelname == "CRITICAL")
    assert name in record.getMessage()
    # What had not begun is there for another process at once.
    assert work(database) == 0
    assert states(database) == ["done", "done"]
