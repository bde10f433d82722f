"""What the commands tell an operator who looks for a task."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from devtools.tryton_conf import remove_option
from nereid_async.errors import ConfigurationError
from nereid_async.rows import TaskRows
from nereid_async.rows.workers import Registered
from nereid_async.runtime import forget_databases
from tests.fixtures.scripts import Script
from tests.helpers import command, query, states
from tests.marks import ONE_BROKER, once


def is_recent(text: str) -> bool:
    """Whether a time of ``--json`` has its zone, and was some seconds ago."""
    ago = dt.datetime.now(dt.timezone.utc) - dt.datetime.fromisoformat(text)
    return abs(ago) < dt.timedelta(minutes=10)


def test_status_tells_a_queue_that_nobody_works_on(
    script: Script, database: str
) -> None:
    with script.transaction():
        for queue in ("mial", "mial", "mail"):
            script.record.write_entry.configure(queue=queue).defer("x")
        script.record.write_entry.configure(queue="later", delay=600).defer("x")
        script.record.fail_as.configure(queue="mail").defer("UserWarning", "no")
    script.burst("mail")
    with script.transaction():
        script.record.write_entry.configure(queue="mail").defer("x")
    command(database, "pause", "mail")
    lines = [it.split() for it in command(database, "status").splitlines()]
    assert lines[0][:5] == ["QUEUE", "DUE", "SCHEDULED", "RUNNING", "FAILED"]
    shown = {queue: (*numbers, paused) for queue, *numbers, paused in lines[1:4]}
    assert shown["later"] == ("0", "1", "0", "0", "-", "0.0", "0", "no")
    assert shown["mail"][:4] == ("1", "0", "0", "1")
    assert shown["mail"][-1] == "yes"
    assert shown["mial"][:4] == ("2", "0", "0", "0")
    told = json.loads(command(database, "status", "--json"))
    queues = {it.pop("queue"): it for it in told["queues"]}
    assert queues["mail"].pop("oldest_due_s") >= 0
    # One is done and one has failed, within five minutes.
    assert queues["mail"].pop("rate_per_min") == pytest.approx(0.4)
    assert queues["mail"] == {
        "due": 1,
        "scheduled": 0,
        "running": 0,
        "failed": 1,
        "workers": 0,
        "paused": True,
    }
    assert [it["queue"] for it in told["pauses"]] == ["mail"]
    assert is_recent(told["pauses"][0]["since"])


@ONE_BROKER
def test_workers_and_the_queues_they_work_on(
    script: Script, rows: TaskRows, database: str
) -> None:
    killed = Registered("x", "old", 7, "0.1.0", ("mail",), 2)
    rows.beat(killed, 2, "running", 7_200)
    query(database, "UPDATE async_worker SET heartbeat_at = started_at")
    pools = Registered("y", "shop", 4711, "0.2.0", ("mail:2", "*:1"), 3)
    rows.beat(pools, 1, "draining", 0)
    rows.pause("*", user=1)
    heading, *lines = command(database, "workers").splitlines()
    assert heading.split()[:4] == ["HOST", "PID", "QUEUES", "BUSY"]
    assert lines[0].split()[:6] == ["old", "7", "mail", "2", "2", "lost"]
    assert lines[1].split()[:4] == ["shop", "4711", "mail:2,", "*:1"]
    told = json.loads(command(database, "workers", "--json"))
    assert told[1]["queues"] == ["mail:2", "*:1"]
    assert (told[1]["busy"], told[1]["threads"]) == (1, 3)
    assert told[1]["silent_s"] < 40 < told[0]["silent_s"]
    assert is_recent(told[1]["heartbeat_at"])
    output = command(database, "status")
    assert "2 worker process(es) (1 draining, 1 lost), 1 of 3 threads busy\n" in output
    rows.pause("q.fifo", user=1)
    mail, ordered = json.loads(command(database, "queues", "--json"))
    assert (mail["ordered"], ordered["ordered"]) == (False, True)
    assert (mail["queue"], mail["workers"]) == ("mail", 1)
    assert (mail["paused"], mail["paused_by"]) == (True, "Administrator")
    assert is_recent(mail["paused_since"])
    output = command(database, "queues", "mail")
    assert output.splitlines()[1].split()[-2:] == ["Administrator", "no"]
    told = command(database, "queues", "other", exit_code=1)
    assert "Error: there is no such queue: other" in told


@once
def test_only_what_signs_needs_a_key(script: Script, database: str) -> None:
    with script.transaction():
        for number in range(3):
            script.record.write_entry.defer(str(number))
    waiting, cancelled, _ = (
        it["id"] for it in json.loads(command(database, "tasks list", "--json"))
    )
    remove_option("async_sqs", "signing_key")
    forget_databases()
    missing = "no signing key: looked for TRYTOND_ASYNC_SQS__SIGNING_KEY"
    assert missing in command(database, "worker", "--burst", exit_code=1)
    assert missing in command(database, "identity", "--renew", exit_code=1)
    checked = json.loads(command(database, "check", "--json", exit_code=1))
    found = {it["what"]: it["status"] for it in checked["findings"]}
    assert (found["key"], found["database"]) == ("error", "ok")
    assert command(database, "status").splitlines()[1].split()[1] == "3"
    assert waiting in command(database, "tasks show", waiting)
    for name in ("pause", "resume"):
        command(database, name, "mail")
    command(database, "cancel", cancelled)
    assert "again" in command(database, "retry", cancelled)
    for name in ("queues", "workers", "failed", "dead list", "reap"):
        command(database, name)
    assert command(database, "identity").strip()
    # Nobody got a runtime that could not sign.
    with script.transaction(), pytest.raises(ConfigurationError, match=missing):
        script.record.write_entry.defer("x")


def test_a_file_that_is_no_trytond_conf(tmp_path: Path) -> None:
    conf = tmp_path / "trytond.conf"
    conf.write_text("signing_key = x\n")
    told = command("shop", "status", "-c", str(conf), exit_code=1)
    assert told.startswith("Error: trytond.conf: File contains no section headers.")


@ONE_BROKER
class TestTasks:
    """A task that waits, one that is done, and one that has failed."""

    @pytest.fixture
    def ids(self, script: Script) -> dict[str, str]:
        with script.transaction():
            record = script.record
            tasks = {
                "done": record.write_entry.defer("x"),
                "failed": record.fail_as.configure(queue="mail").defer(
                    "UserWarning", "not like this"
                ),
                "waits": record.write_entry.configure(delay=600).defer("x"),
            }
        script.burst("trytond-async", "mail")
        return {name: task.id for name, task in tasks.items()}

    def test_retry_tells_a_wrong_id_from_a_task_that_has_not_failed(
        self, ids: dict[str, str], database: str
    ) -> None:
        words = ("41cbf95c", ids["waits"], ids["failed"])
        assert command(database, "retry", *words, exit_code=1).splitlines() == [
            "41cbf95c: there is no such task",
            f"{ids['waits']}: has neither failed nor been cancelled",
            f"{ids['failed']}: runs again",
        ]

    def test_failed_tasks_are_listed(self, ids: dict[str, str], database: str) -> None:
        heading, line = command(database, "failed").splitlines()
        assert heading.startswith("ID") and "FINISHED (UTC)" in heading
        assert line.startswith(ids["failed"])
        assert line.endswith("UserWarning: not like this")
        (told,) = json.loads(command(database, "failed", "--json"))
        assert told["id"] == ids["failed"]
        assert told["error"]["type"] == "UserWarning"
        assert is_recent(told["finished_at"])
        output = command(database, "failed", "--queue", "other")
        assert output.endswith("there are no such tasks\n")
        listed = "tasks list"
        assert ids["done"] in command(database, listed, "--state", "done")
        assert ids["failed"] not in command(database, listed, "--queue", "other")
        assert ids["failed"] in command(database, listed, "--since", "1h")
        assert ids["failed"] not in command(database, listed, "--since", "2100-01-01")
        assert "neither an age" in command(
            database, listed, "--since", "soon", exit_code=2
        )

    def test_a_task_is_shown(self, ids: dict[str, str], database: str) -> None:
        output = command(database, "tasks show", ids["failed"])
        assert "async_test.record.fail_as('UserWarning', 'not like this')" in output
        assert "attempt 1, failed 20" in output
        assert re.search(r"^finished_at: 20\S+ \d\d:\d\d:\d\d UTC$", output, re.M)
        assert re.search(r"^ran: +[\d.]+ s$", output, re.M)
        assert "Traceback" in output
        told = json.loads(command(database, "tasks show", "--json", ids["failed"]))
        assert told["attempts"][0]["error"]["message"] == "not like this"
        assert is_recent(told["attempts"][0]["failed_at"])
        assert told["progress"] is None
        assert "no such task" in command(database, "tasks show", "x", exit_code=1)

    def test_many_are_acted_on_after_a_question(
        self, script: Script, ids: dict[str, str], database: str
    ) -> None:
        with script.transaction():
            script.record.fail_as.configure(queue="mail").defer("UserWarning", "no")
        script.burst("mail")
        # Nobody answers.
        output = command(database, "tasks retry", "--queue", "mail", exit_code=1)
        assert "Retry 2 tasks?" in output
        assert states(database).count("failed") == 2
        words = ("--queue", "mail", "--yes", "--limit", "1", "--json")
        (told,) = json.loads(command(database, "tasks retry", *words))
        assert (told["done"], told["text"]) == (True, "runs again")
        assert states(database).count("failed") == 1
        command(database, "tasks cancel", "--all", "--yes")
        assert sorted(states(database)) == ["cancelled", "cancelled", "done", "failed"]
        command(database, "tasks discard", ids["done"], exit_code=1)
        command(database, "tasks discard", "--all", "--yes")
        assert states(database) == ["done"]
        assert query(database, "SELECT count(*) FROM async_attempt") == [(0,)]
        output = command(database, "tasks discard", "--all")
        assert output == "nothing to do: none is chosen so\n"

    def test_how_far_a_task_has_come_is_shown(
        self, ids: dict[str, str], database: str
    ) -> None:
        query(
            database,
            "UPDATE async_run SET progress_done = 15, progress_total = 60, "
            "progress_message = 'Counting' WHERE uuid = %s",
            ids["done"],
        )
        output = command(database, "tasks show", ids["done"])
        assert "\nprogress:    25%, Counting\n" in output
        (told,) = json.loads(
            command(database, "tasks list", "--state", "done", "--json")
        )
        assert told["progress"] == {"done": 15, "total": 60, "message": "Counting"}

    def test_what_is_meant_has_to_be_said(
        self, ids: dict[str, str], database: str
    ) -> None:
        for words in ((), ("--all", ids["failed"]), ("--state", "done")):
            command(database, "retry", *words, exit_code=2)
