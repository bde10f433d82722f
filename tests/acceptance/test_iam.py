"""The IAM policies in docs/reference/iam allow what is called, and nothing besides."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.databases import PROJECT
from devtools.proxy import Call, Proxy
from nereid_async.worker.maintenance.reaper import reap
from tests.acceptance.conftest import Commands
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import Script
from tests.fixtures.services import app_config, sqs_client, sqs_settings
from tests.helpers import command, wait_until
from tests.marks import ONE_DATABASE

POLICIES = PROJECT / "docs" / "reference" / "iam"
#: The database that the policies are written for.
DATABASE = "shop"
#: Calls without a queue are about all of them.
ACCOUNT_WIDE = {"ListQueues"}


@dataclass(frozen=True)
class Need:
    """A right that a call needs: ``sqs:SendMessage`` on a queue."""

    action: str
    queue: str


def needed(call: Call) -> Iterator[Need]:
    """The rights that a call needs."""
    # A batch needs the right of its single calls.
    action = call.name.removesuffix("Batch")
    yield Need(action, "" if action in ACCOUNT_WIDE else call.queue)
    if "tags" in call.parameters:
        yield Need("TagQueue", call.queue)


class Policy:
    """A policy document, applied to another database than ``shop``."""

    def __init__(self, *names: str, base: str) -> None:
        self._statements = [
            (action.removeprefix("sqs:"), self._pattern(statement["Resource"], base))
            for name in names
            for statement in json.loads((POLICIES / name).read_text())["Statement"]
            for action in statement["Action"]
        ]

    def check(self, needs: set[Need]) -> None:
        """Assert that each need is met, and that each right is needed."""
        self.check_met(needs)
        unneeded = [s for s in self if not any(self._meets(s, it) for it in needs)]
        assert unneeded == []

    def check_met(self, needs: set[Need]) -> None:
        """Assert that each need is met."""
        unmet = [it for it in needs if not any(self._meets(s, it) for s in self)]
        assert unmet == []

    def __iter__(self) -> Any:
        return iter(self._statements)

    @staticmethod
    def _pattern(resource: str, base: str) -> str:
        return re.sub(rf"\b{DATABASE}-", f"{base}-", resource.rpartition(":")[2])

    @staticmethod
    def _meets(statement: tuple[str, str], need: Need) -> bool:
        action, pattern = statement
        return action == need.action and fnmatchcase(need.queue, pattern)


@pytest.fixture
def broker_settings(proxy: Proxy) -> dict[str, str]:
    return {**sqs_settings(proxy.url), "visibility_timeout": "3"}


@pytest.fixture
def base(broker_settings: dict[str, str], database: str) -> str:
    """What the names of the queues begin with."""
    return f"{broker_settings['sqs_queue_prefix']}-{database}"


@pytest.fixture
def queues(broker_settings: dict[str, str], base: str, ministack: str) -> None:
    """Queues made by operations, by a way of their own."""
    client = sqs_client(ministack)
    for queue in ("trytond-async", "trytond-async-dead"):
        client.create_queue(QueueName=f"{base}-{queue}")


@pytest.fixture
def needs(proxy: Proxy) -> Callable[[], set[Need]]:
    """What was needed since the last time this was asked."""

    def take() -> set[Need]:
        made, proxy.made[:] = list(proxy.made), []
        return {need for call in made for need in needed(call)}

    return take


@ONE_DATABASE
def test_web_and_worker(
    app_factory: AppFactory,
    broker_settings: dict[str, str],
    commands: Commands,
    queues: None,
    base: str,
    needs: Callable[[], set[Need]],
    tmp_path: Path,
) -> None:
    visitor = Browser(app_factory(**app_config(broker_settings)))
    started, go = tmp_path / "started", tmp_path / "go"
    task = visitor.defer("wait_for_file", str(started), str(go))
    visitor.defer("fail", "to the dead letters", configure={"max_attempts": 1})
    visitor.defer("retry_now", str(tmp_path / "attempts"), 1)
    web = needs()

    app = "tests.acceptance.web_app:create_app"
    worker = commands.worker("--burst", "--threads", "3", "--app", app)
    worker.wait_until(started.exists, "the task runs")
    go.touch()
    commands.run(worker)
    Policy("worker.json", base=base).check(needs())

    wait_until(lambda: visitor.get(task["url"]).json["state"] == "done")
    assert visitor.delete(task["url"]).status_code == 204
    Policy("web.json", base=base).check(web | needs())


@ONE_DATABASE
def test_reaper(
    app_factory: AppFactory,
    broker_settings: dict[str, str],
    base: str,
    needs: Callable[[], set[Need]],
) -> None:
    runtime = app_factory(**app_config(broker_settings)).extensions["nereid_async"]
    from nereid_async.messages.outcome import Outcome
    from nereid_async.runtime import build

    runtime.results.put("1" * 8 + "-1111-8111-8111-" + "1" * 12, Outcome(1, 1))
    needs()
    later = build(runtime.database, replace(runtime.settings, result_ttl=-1))
    assert reap(later) == 1
    Policy("reaper.json", base=base).check(needs())


@ONE_DATABASE
def test_a_worker_of_all_queues(
    commands: Commands, queues: None, base: str, needs: Callable[[], set[Need]]
) -> None:
    commands.run(commands.worker("--burst", "--queue", "*:1"))
    needed = needs()
    listing = {need for need in needed if need.action == "ListQueues"}
    Policy("all-queues.json", base=base).check(listing)
    Policy("worker.json", base=base).check_met(needed - listing)


@ONE_DATABASE
def test_the_dead_letters(
    script: Script, queues: None, base: str, needs: Callable[[], set[Need]]
) -> None:
    with script.transaction():
        script.record.fail.configure(max_attempts=1).defer("x")
    script.burst()
    needs()
    command(script.database, "dead list")
    command(script.database, "dead replay --all")
    needed = needs()
    listing = {need for need in needed if need.action == "ListQueues"}
    Policy("all-queues.json", base=base).check(listing)
    Policy("worker.json", base=base).check_met(needed - listing)


@ONE_DATABASE
def test_who_creates_queues(
    app_factory: AppFactory,
    broker_settings: dict[str, str],
    base: str,
    needs: Callable[[], set[Need]],
) -> None:
    visitor = Browser(app_factory(**app_config(broker_settings)))
    visitor.post("/en/commit")
    with_queues = needs()
    visitor.post("/en/commit")
    Policy("create.json", base=base).check(
        {it for it in with_queues - needs() if it.action != "GetQueueUrl"}
    )
