"""A fault that hits many tasks is told in a line, whatever stands in each of them."""

from __future__ import annotations

import logging

import pytest

from devtools.apps import SECRET_KEY
from devtools.proxy import Proxy
from devtools.servers import PostgreSQL
from nereid_async.runtime import of_database
from nereid_async.worker.heartbeats import Heartbeats
from nereid_async.worker.lease import LeaseKeeper
from nereid_async.worker.prefetch import Prefetch
from nereid_async.worker.runner_threads import RunnerThreads
from nereid_async.worker.settlement import Settlement
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import intake, runner_of, states

ON_ROWS = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
TASKS = 6


@ON_ROWS
@pytest.mark.backends("postgresql")
def test_a_database_that_is_away(
    script: Script,
    database: str,
    server: PostgreSQL,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with script.transaction():
        for i in range(TASKS):
            script.record.write_entry.defer(str(i))
    runtime = of_database(database)
    consumer = runtime.broker.consumer((runtime.settings.sqs_queue,))
    received = consumer.receivers[0].receive(TASKS, 1)
    jobs = intake(runtime, consumer).admit(received, at_once=False)
    assert len(jobs) == TASKS
    keeper, prefetch = LeaseKeeper(runtime, consumer), Prefetch(TASKS)
    runners = RunnerThreads(
        runtime,
        runner_of(runtime, consumer),
        Settlement(runtime, consumer),
        keeper,
        [prefetch],
        Heartbeats(1, TASKS).of(0),
    )
    prefetch.put(jobs, 0)
    server.stop()
    (row_leases,) = keeper.threads
    for job in jobs:
        row_leases.extend_now([job])
    runners.hand_back_waiting()
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "not extended" in line]) == 1
    assert len([line for line in lines if "not handed back" in line]) == 1
    server.start()
    consumer.close()


@ON_ROWS
@pytest.mark.backends("sqlite")
def test_a_key_that_is_not_known_here(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    broker_settings: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However long the messages are."""
    with script.transaction():
        for i in range(TASKS):
            script.record.write_entry.defer("x" * i)
    tryton_conf(signing_key=f"not-{SECRET_KEY}", **broker_settings)
    with caplog.at_level(logging.WARNING):
        Script(database).burst()
    assert states(database) == ["pending"] * TASKS
    assert caplog.text.count("not signed with a key") == 1


class TestOnSqs:
    @pytest.fixture
    def broker_settings(self, proxy: Proxy) -> dict[str, str]:
        return sqs_settings(proxy.url)

    @pytest.mark.backends("sqlite")
    def test_messages_that_cannot_be_deleted(
        self, script: Script, proxy: Proxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        with script.transaction():
            for i in range(TASKS):
                script.record.write_entry.defer(str(i))
        proxy.refuse("AccessDenied", 403, only="DeleteMessageBatch")
        script.burst()
        assert caplog.text.count("did not delete") == 1
