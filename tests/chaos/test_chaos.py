"""Every committed deferral runs, none of a rolled-back request, each effect once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import Commands
from tests.chaos import plugin
from tests.chaos.storm import Plan, Storm
from tests.fixtures.apps import SECRET_KEY
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.servers import StoppableMinistack

#: Short, so that what a killed worker held is soon taken over.
SHORT = {"visibility_timeout": "2", "send_timeout": "1", "resend_after": "60"}
TASKS_AN_OUTAGE = 500


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoppableMinistack]:
    with StoppableMinistack(tmp_path) as it:
        yield it


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    option = request.config.option
    seed = option.chaos_seed
    seed = random.randrange(10**6) if seed is None else seed
    print(f"--chaos-seed={seed}")
    outages = 1 + option.chaos_tasks // TASKS_AN_OUTAGE
    return Plan(option.chaos_tasks, option.chaos_kills, outages, seed)


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("broker", ["database", "sqs"])
def test_chaos(
    broker: str,
    plan: Plan,
    database: str,
    trytond_conf: Callable[..., Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings, sqs = {"broker": "database"}, None
    if broker == "sqs":
        server: StoppableMinistack = request.getfixturevalue("server")
        settings = sqs_settings(server.url)
        sqs = server, TaskQueue(settings, database)
    conf = trytond_conf(async_sqs={"signing_key": SECRET_KEY, **settings, **SHORT})
    with ExitStack() as stack:
        commands = Commands(database, conf, tmp_path, stack)
        storm = Storm(plan, commands, tmp_path / "begun", sqs)
        numbers = storm.run()
    plugin.note(request, f"broker {broker}, {storm.story}", numbers)
    assert (numbers.lost, numbers.doubled, numbers.unasked) == (0, 0, 0)
    assert numbers.failed == 0
    assert numbers.tasks >= plan.tasks
    assert numbers.kills >= plan.kills
    assert broker == "database" or numbers.duplicates_delivered > 0
