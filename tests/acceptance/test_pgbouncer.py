"""A pooler between the processes and PostgreSQL, which shares sessions or does not."""

from __future__ import annotations

import re

import pytest
import requests

from devtools import servers
from devtools.databases import Databases, PostgreSQLDatabases
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import database_settings, labels, states

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


@pytest.fixture
def port(databases: Databases) -> int:
    """The port of PostgreSQL itself."""
    assert isinstance(databases, PostgreSQLDatabases)
    return databases.server.port


def test_a_worker_refuses_to_share_its_sessions(commands: Commands, port: int) -> None:
    with servers.pgbouncer(port, "transaction") as uri:
        commands.connect_to(uri)
        worker = commands.worker()
        assert worker.wait(60) == 1
    assert "[database] uri: a notification does not reach the session" in worker.output
    assert "pool_mode = session" in worker.output
    assert "Traceback" not in worker.output


def test_a_worker_with_sessions_of_its_own_works(
    script: Script, commands: Commands, database: str, port: int
) -> None:
    with script.transaction():
        script.record.write_entry.defer("x")
    limits = {"idle_in_transaction_session_timeout": "30s"}
    with servers.pgbouncer(port, "session") as uri:
        commands.connect_to(uri)
        with database_settings(database, **limits):
            output = commands.run(commands.worker("--burst"))
    assert labels(database) == ["x"]
    # It knows no options of a session, which would lift the limit.
    assert "cannot be lifted for this worker's sessions" in output
    assert "Traceback" not in output


def test_web_processes_may_share_theirs(
    commands: Commands, database: str, port: int
) -> None:
    direct = commands.conf.read_text()
    with servers.pgbouncer(port, "transaction") as uri:
        commands.connect_to(uri)
        _, url = commands.web()
        commands.conf.write_text(direct)
        worker = commands.flask("worker")

        def wait_for_done(number: int) -> None:
            done = ["done"] * number
            worker.wait_until(lambda: states(database) == done, f"{number} are done")

        with requests.Session() as visitor:
            token = visitor.get(f"{url}/en/csrf", timeout=30).text
            for number in range(3):
                answer = visitor.post(
                    f"{url}/en/defer-result",
                    json={"task": "echo", "args": [number]},
                    headers={"X-CSRFToken": token},
                    timeout=30,
                )
                assert answer.status_code == 202, answer.text
                wait_for_done(number + 1)
                result = visitor.get(url + answer.json()["url"], timeout=30)
                assert result.json()["result"] == number
            # Written by a read-only request, in a transaction of its own.
            assert visitor.get(f"{url}/en/readonly-get", timeout=30).ok
        wait_for_done(4)
    assert re.search("ERROR|Traceback", worker.output) is None
