"""Workers of which all queues are paused are well, and go on afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, wait_until


@pytest.mark.backends("postgresql")
def test_a_paused_worker_is_healthy(
    script: Script, commands: Commands, tmp_path: Path
) -> None:
    health = tmp_path / "health"
    stuck = ("--stuck-after", "3", "--give-up-after", "4")
    worker = commands.worker("--processes", "2", "--health-file", str(health), *stuck)
    worker.wait_until(health.exists, "it runs", 60)
    database = ("-c", commands.conf, "-d", commands.database)
    # It waits for two seconds at least, as long as a worker may take to notice.
    commands.run(commands.start("nereid-async", "pause", *database, "--all", "--wait"))
    with script.transaction():
        script.record.write_entry.defer("held")
    output = commands.run(commands.flask("status"))
    assert "all queues are paused since" in output
    assert labels(script.database) == []
    assert health.read_text() == "ok\n"
    commands.run(commands.flask("resume", "--all"))
    wait_until(lambda: labels(script.database) == ["held"])
    assert "has not received" not in worker.output
    assert worker.exit_status is None
