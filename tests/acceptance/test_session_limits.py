"""A server that ends sessions which do nothing, and tasks that take their time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import database_settings, query, states

LIMIT_S = 1.0

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


@pytest.fixture
def _limits(database: str) -> Iterator[None]:
    """What the server does to sessions, whoever they belong to."""
    limit = f"{LIMIT_S}s"
    names = query(
        database,
        "SELECT name FROM pg_settings WHERE name IN "
        "('idle_in_transaction_session_timeout', 'transaction_timeout', "
        "'idle_session_timeout')",
    )
    with database_settings(database, **{name: limit for (name,) in names}):
        yield


@pytest.mark.usefixtures("_limits")
def test_a_worker_lifts_them_for_its_sessions(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    worker = commands.worker("--threads", "1")
    with script.transaction():
        # It writes at its end only.
        script.record.work_for.defer(str(started), 2 * LIMIT_S)
    worker.wait_until(lambda: "done" in states(database), "the first is done")
    with script.transaction():
        script.record.write_entry.defer("from another session that has waited")
    worker.wait_until(lambda: states(database) == ["done"] * 2, "both are done")
    assert len(started.read_text().splitlines()) == 1
    assert "idle_in_transaction_session_timeout" in worker.output
    # Nor was the connection lost on which it waits for new tasks.
    assert "receiving failed" not in worker.output
    assert "interrupted" not in worker.output
