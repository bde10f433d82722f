"""The command with threads given to queues, and with all queues."""

from __future__ import annotations

import signal

import pytest

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels


@pytest.mark.backends("postgresql")
def test_a_worker_of_one_queue_and_all_others(
    script: Script, commands: Commands
) -> None:
    queues = ("mail", "found")
    with script.transaction():
        for queue in queues:
            script.record.write_entry.configure(queue=queue).defer(queue)
    named = ("--queue", "mail:2", "--queue", "*:1", "--queue", "mial:1")
    worker = commands.worker(*named, "--processes", "2", "-v")
    worker.wait_until(
        lambda: sorted(labels(script.database)) == sorted(queues), "all have run", 60
    )
    assert "queue mial: no task was ever deferred to it" in worker.output
    assert "queue mail: no task was ever deferred to it" not in worker.output
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0, worker.output
    assert "Traceback" not in worker.output
