"""Threads given to queues: what keeps those of one queue busy delays no other queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.proxy import Call, Proxy, Refusal
from devtools.workers import worker_thread
from nereid_async.errors import ConfigurationError
from nereid_async.runtime import of_database
from nereid_async.worker.intervals import Intervals
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_settings
from tests.helpers import command, labels, states, wait_until

QUICK = Intervals(find_queues_pause_s=0.5)


def defer(script: Script, queue: str, label: str) -> None:
    with script.transaction():
        script.record.write_entry.configure(queue=queue).defer(label)


def test_a_long_task_of_one_queue_delays_no_other_queue(
    script: Script, database: str, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with worker_thread(database, intervals=QUICK, queues=("mail:1", "*:1")):
        with script.transaction():
            task = script.record.wait_for_file.configure(queue="mail")
            task.defer(str(started), str(go))
        wait_until(started.exists)
        defer(script, "mail", "mail")
        # Nobody has named them, nor seen them before.
        for queue in ("reports", "orders"):
            defer(script, queue, queue)
        wait_until(lambda: sorted(labels(database)) == ["orders", "reports"])
        go.touch()
        wait_until(lambda: states(database) == ["done"] * 4)
    assert labels(database)[-2:] == ["waited", "mail"]


def test_a_burst_ends_when_all_pools_have_nothing_left(
    script: Script, database: str
) -> None:
    with script.transaction():
        for queue in ("a", "b", "trytond-async"):
            script.record.chain.configure(queue=queue).defer(queue)
    # Each of them defers to the default queue.
    script.burst("a:1", "b:1", "*:1")
    assert states(database) == ["done"] * 6
    assert sorted(labels(database)) == ["a", "b", "trytond-async"]


def test_all_queues_for_one_pool(script: Script, database: str) -> None:
    for queue in ("a", "b"):
        defer(script, queue, queue)
    command(database, "pause", "a")
    script.burst("*")
    assert labels(database) == ["b"]
    command(database, "resume", "a")
    script.burst("*")
    assert labels(database) == ["b", "a"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--queue", "mail:none"), "expected NAME:THREADS"),
        (("--queue", "mail:1", "--threads", "2"), "--threads 2 beside"),
    ],
)
def test_bad_options_are_told_at_the_start(
    script: Script, database: str, words: tuple[str, ...], said: str
) -> None:
    assert said in command(database, "worker", *words, exit_code=1)


def test_the_right_to_list_queues_is_named(
    database: str, tryton_conf: ConfWriter, proxy: Proxy
) -> None:
    def refuse(call: Call) -> Refusal | None:
        denied = call.name == "ListQueues"
        return Refusal(403, "AccessDenied") if denied else None

    proxy.watch.before = refuse
    tryton_conf(signing_key="k" * 16, **sqs_settings(proxy.url))
    with pytest.raises(ConfigurationError, match="needs the right sqs:ListQueues"):
        of_database(database).broker.existing(["*"], ())


def test_queues_of_another_account_are_named_one_by_one(
    database: str, tryton_conf: ConfWriter, ministack: str
) -> None:
    settings = {**sqs_settings(ministack), "sqs_queue_owner": "123456789012"}
    tryton_conf(signing_key="k" * 16, **settings)
    with pytest.raises(ConfigurationError, match="sqs_queue_owner"):
        of_database(database).broker.existing(["*"], ())
