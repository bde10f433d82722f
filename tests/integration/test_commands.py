"""What the commands tell an operator who looks for a task."""

from __future__ import annotations

import pytest

from nereid_async.cli import _run_retry, _run_status
from nereid_async.runtime import of_database
from tests.fixtures.scripts import Script


def test_status_tells_a_queue_that_nobody_works_on(
    script: Script, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with script.transaction():
        for queue in ("mial", "mial", "mail"):
            script.record.write_entry.configure(queue=queue).defer("x")
        script.record.write_entry.configure(queue="later", delay=600).defer("x")
    _run_status(of_database(database))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["due in queue mail: 1", "due in queue mial: 2"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_retry_tells_a_wrong_id_from_a_task_that_has_not_failed(
    script: Script, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with script.transaction():
        waits = script.record.write_entry.defer("x")
    _run_retry(of_database(database), ("41cbf95c", waits.id))
    assert capsys.readouterr().out.splitlines() == [
        "41cbf95c: there is no such task",
        f"{waits.id}: has not failed",
    ]
