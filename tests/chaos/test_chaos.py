"""Every committed deferral runs, none of a rolled-back request, each effect once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from trytond.modules.async_test.chaos import ORDERED_QUEUE

from devtools.apps import SECRET_KEY
from devtools.databases import PostgreSQLDatabases, postgresql_databases, write_config
from devtools.proxy import Proxy
from devtools.servers import StoppableMinistack
from tests.acceptance.conftest import Commands
from tests.chaos import plugin
from tests.chaos.database import Database
from tests.chaos.storm import Plan, Sqs, Storm
from tests.fixtures.services import TaskQueue, sqs_settings

#: Short, so that what a killed worker held is soon taken over.
SHORT = {
    "visibility_timeout": "2",
    "send_timeout": "1",
    "resend_after": "60",
    "time_limit_grace": "2",
}


@pytest.fixture
def chaos_database(
    backend: str, template_cache: Path, tmp_path: Path
) -> Iterator[tuple[Database, PostgreSQLDatabases]]:
    """A database on a server of its own, which may be stopped and started."""
    with postgresql_databases(tmp_path, template_cache) as databases:
        databases.clone("chaos")
        # Tells in which order transactions have committed.
        databases.server.configure(track_commit_timestamp="on")
        yield Database(databases.server, "chaos"), databases


@pytest.fixture
def sqs(tmp_path: Path) -> Iterator[tuple[dict[str, str], Sqs]]:
    """An SQS server that may be stopped and started, and settings that lead to it."""
    with StoppableMinistack(tmp_path) as server, Proxy(server.url).running() as proxy:
        settings = sqs_settings(proxy.url)
        direct = {**settings, "sqs_endpoint_url": server.url}
        ordered = TaskQueue(direct, "chaos", ORDERED_QUEUE)
        yield settings, Sqs(server, proxy, TaskQueue(direct, "chaos"), ordered)


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    option = request.config.option
    seed = option.chaos_seed
    seed = random.randrange(10**6) if seed is None else seed
    print(f"--chaos-seed={seed}")
    lease_s = float(SHORT["visibility_timeout"])
    return Plan(
        option.chaos_tasks, option.chaos_kills, option.chaos_outages, seed, lease_s
    )


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("broker", ["database", "sqs"])
def test_chaos(
    broker: str,
    plan: Plan,
    chaos_database: tuple[Database, PostgreSQLDatabases],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings, sqs = {"broker": "database"}, None
    if broker == "sqs":
        settings, sqs = request.getfixturevalue("sqs")
    looks, databases = chaos_database
    section = {"signing_key": SECRET_KEY, **settings, **SHORT}
    conf = write_config(tmp_path / "trytond.conf", databases, async_sqs=section)
    with ExitStack() as stack:
        commands = Commands(looks.name, conf, tmp_path, stack)
        numbers, story = Storm(plan, commands, looks, tmp_path / "begun", sqs).run()
    story[0] = f"broker {broker}, --chaos-seed={plan.seed}: {story[0]}"
    plugin.note(request, story, numbers)
    assert (numbers.lost, numbers.doubled, numbers.unasked) == (0, 0, 0)
    assert (numbers.failed, numbers.threads_lost) == (0, 0)
    assert (numbers.cancelled_and_done, numbers.cancels_broken) == (0, 0)
    assert (numbers.out_of_order, numbers.swallowed, numbers.waited_twice) == (0, 0, 0)
    assert (numbers.callbacks_twice, numbers.callbacks_never) == (0, 0)
    assert numbers.callbacks_early == 0
    assert min(numbers.ordered, numbers.events, numbers.batches) > 0
    assert numbers.tasks >= plan.tasks
    assert numbers.kills >= plan.kills
    assert numbers.outages >= plan.outages
    assert broker == "database" or numbers.duplicates_delivered > 0
