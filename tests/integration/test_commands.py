"""What the commands tell an operator who looks for a task."""

from __future__ import annotations

import pytest

from tests.fixtures.scripts import Script
from tests.helpers import command


def test_status_tells_a_queue_that_nobody_works_on(
    script: Script, database: str
) -> None:
    with script.transaction():
        for queue in ("mial", "mial", "mail"):
            script.record.write_entry.configure(queue=queue).defer("x")
        script.record.write_entry.configure(queue="later", delay=600).defer("x")
    lines = command(database, "status").splitlines()
    assert lines[-2:] == ["due in queue mail: 1", "due in queue mial: 2"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_retry_tells_a_wrong_id_from_a_task_that_has_not_failed(
    script: Script, database: str
) -> None:
    with script.transaction():
        waits = script.record.write_entry.defer("x")
    assert command(database, "retry", "41cbf95c", waits.id).splitlines() == [
        "41cbf95c: there is no such task",
        f"{waits.id}: has neither failed nor been cancelled",
    ]
