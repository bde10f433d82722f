"""Who comes from the old module ``async_sqs`` finds what its README shows.

Its samples and statements are followed in their order; see
``docs/how-to/moving-from-async-sqs.rst``.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trytond.pool import Pool

from devtools.apps import SECRET_KEY
from devtools.tryton_conf import remove_option
from nereid_async.errors import ResultNotSent
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import command, labels, query
from tests.marks import ONE_DATABASE, once

#: The settings of its README, but ``sqs_queue_owner``: an emulator has one account.
SETTINGS = {
    "sqs_region",
    "sqs_access_key",
    "sqs_secret_key",
    "sqs_queue",
    "sqs_queue_prefix",
}


def big_report() -> Any:
    return Pool().get("report.bigreport", type="report")


@pytest.fixture
def old(ministack: str, database: str, tryton_conf: ConfWriter) -> Iterator[Script]:
    """Its settings where it read them, in ``[options]``, and what has to be added."""
    from nereid_async.tryton_config import config

    settings = {**sqs_settings(ministack), "sqs_queue": "orders"}
    new = {name: it for name, it in settings.items() if name not in SETTINGS}
    assert new.keys() == {"broker", "sqs_endpoint_url", "sqs_wait_time"}
    if not config.has_section("options"):
        config.add_section("options")
    for name in SETTINGS:
        config.set("options", name, settings[name])
    tryton_conf(signing_key=SECRET_KEY, **new)
    yield Script(database)
    for name in SETTINGS:
        remove_option("options", name)


@ONE_DATABASE
def test_its_readme(old: Script, database: str) -> None:
    with old.transaction():
        # "your old code will continue to work as expected"
        assert big_report().expensive_method(1, 2) == 3
        # "To execute the same report asynchronously, on a worker"
        big_report().expensive_method(3, 4, _defer_=True)
        # "explicitly decorate the task as one that needs the result"
        results = big_report().expensive_result(5, 6, _defer_=True)
        # New: it has not left yet.
        with pytest.raises(ResultNotSent):
            results.wait(10)
    old.burst("orders")
    assert labels(database) == ["1 2", "3 4"]
    with old.transaction():
        # "To wait until the result is computed and returned"
        assert results.wait() == 30
        # "To wait just 10 seconds and forget if not received"
        assert results.wait(10) == 30
        # "The result can be received only once": as often as one likes.
        assert type(results)(results.result_uuid).wait(10) == 30
        # From its TODO.
        big_report().expensive_method.defer(7, 8)
        unknown = big_report().expensive_result.configure(delay=60).defer(1, 1)
    assert unknown.wait(0.1) is None


@once
def test_a_method_that_keeps_its_result(script: Script, database: str) -> None:
    """By ``async.async``, which does not say so again."""
    with script.transaction():
        Async = Pool().get("async.async")
        kept = Async.defer("static_above", "async_test.record", args=[2, 3])
        dropped = Async.defer("bare", "async_test.record", args=["x"])
        tried = Async.defer("fail_times", "async_test.record", args=["no folder/", 9])
    script.burst()
    with script.transaction():
        assert kept.get(timeout=0) == 5
        assert dropped.get(timeout=0) is None
    # All that it is declared with counts, such as its attempts.
    ((message,),) = query(
        database, "SELECT message FROM async_task WHERE uuid = %s", tried.id
    )
    assert json.loads(message.rpartition(".")[0])["max_attempts"] == 4


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def old_messages(database: str, trap: Path) -> list[str]:
    """What the old module sent, and others like it, as JSON, Base64 and pickles."""
    evaluated = f"__import__('os').system('touch {trap}')"
    payload = {
        "database_name": database,
        "user": 1,
        "model_name": "async_test.record",
        "instance": {"__class__": "Model", "repr": evaluated},
        "method_name": "plain",
        "args": ["old"],
        "kwargs": {"rate": {"__class__": "Decimal", "decimal": "1.10"}},
        "context": {"language": "en"},
        "__result_uuid__": "7c4d3ce2-56bf-4aa7-8ff0-1f4ea9d3e2a5",
        "__result_options__": [False, 60],
    }
    text = json.dumps(payload)
    return [
        text,
        # As boto's class of messages wrote them.
        base64.b64encode(text.encode()).decode(),
        base64.b64encode(pickle.dumps(Evil(trap))).decode(),
        pickle.dumps(Evil(trap), protocol=0).decode(),
    ]


@ONE_DATABASE
class TestMessages:
    @pytest.fixture
    def broker_settings(self, ministack: str) -> dict[str, str]:
        return sqs_settings(ministack)

    def test_they_are_kept_and_never_run(
        self, script: Script, database: str, queue: TaskQueue, tmp_path: Path
    ) -> None:
        """Neither unpickled nor evaluated: dead letters, which ``dead list`` shows."""
        trap = tmp_path / "trap"
        sent = old_messages(database, trap)
        for body in sent:
            queue.put(body)
        with script.transaction():
            script.record.write_entry.defer("new")
        script.burst()
        assert labels(database) == ["new"]
        assert not trap.exists()
        assert queue.left() == 0
        assert sorted(queue.dead()) == sorted(sent)
        listed = json.loads(command(database, "dead list --json"))
        assert len(listed) == len(sent)
        for letter in listed:
            assert letter["task"] is None
            assert "no message of this package" in letter["reason"]
        # And back again, should somebody try.
        command(database, "dead replay", listed[0]["id"])
        script.burst()
        assert labels(database) == ["new"]
        assert len(queue.dead()) == len(sent)
        command(database, "dead discard --all --yes")
        assert queue.dead() == []
        assert not trap.exists()


def test_its_worker_names_the_new_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trytond.modules.async_sqs.worker", "shop"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "nereid-async worker -c trytond.conf -d DATABASE" in done.stderr
    assert "Traceback" not in done.stderr
