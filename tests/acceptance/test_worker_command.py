"""``nereid-async worker`` and ``flask async worker``: run, share, stop, survive."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from trytond import backend

from devtools.browser import Browser
from devtools.processes import Process, free_port
from devtools.proxy import Proxy
from nereid_async import NereidAsync
from tests import rough_tasks
from tests.acceptance.conftest import Commands
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import Script
from tests.fixtures.services import app_config
from tests.helpers import labels, query, states, wait_until
from tests.marks import ONE_BROKER, ONE_DATABASE, once


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_burst_works_off_what_is_there_and_ends(
    script: Script, commands: Commands, database: str
) -> None:
    with script.transaction():
        for number in range(5):
            script.record.write_entry.defer(str(number))
    commands.run(commands.worker("--burst"))
    assert sorted(labels(database)) == ["0", "1", "2", "3", "4"]
    assert states(database) == ["done"] * 5


def test_burst_with_nothing_to_do(commands: Commands) -> None:
    commands.run(commands.worker("--burst"))


def test_queues_are_chosen(script: Script, commands: Commands, database: str) -> None:
    with script.transaction():
        for queue in ("one", "two", "three"):
            script.record.write_entry.configure(queue=queue).defer(queue)
    commands.run(commands.worker("--burst", "--queue", "one", "--queue", "three"))
    assert sorted(labels(database)) == ["one", "three"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_task_finish(
    script: Script,
    commands: Commands,
    database: str,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        result = script.record.wait_for_file.defer(str(started), str(go))
    worker = commands.worker("--threads", "1")
    worker.wait_until(started.exists, "the task runs")
    with script.transaction():
        script.record.write_entry.defer("not started any more")
    worker.send_signal(number)
    # Long enough to act upon the signal: a task that was cut off would be seen.
    with pytest.raises(Exception, match="not"):
        worker.wait_until(lambda: False, "gone", timeout_s=1)
    assert worker.exit_status is None
    go.touch()
    assert worker.wait(20) == 0, worker.output
    assert labels(database) == ["waited"]
    with script.transaction():
        assert result.get(timeout=5) == "finished"


class TestCutOff:
    """A task that outlasts the shutdown grace, or meets a second signal."""

    @pytest.fixture
    def go(self, script: Script, commands: Commands, tmp_path: Path) -> Path:
        """Lets the task end, which has begun to run and holds what it has written."""
        commands.set("imports", "tests.rough_tasks")
        with script.transaction():
            task = rough_tasks.write_and_wait
            task.defer(str(tmp_path / "started"), str(tmp_path / "go"))
        return tmp_path / "go"

    @pytest.mark.parametrize("second", [False, True])
    def test_it_is_given_back_at_once(
        self,
        commands: Commands,
        database: str,
        go: Path,
        tmp_path: Path,
        second: bool,
    ) -> None:
        started = tmp_path / "started"
        # One thread: the worker does not poll while the task runs. SQS might give the
        # message to a poll that was cut off.
        grace_s = "600" if second else "1"
        worker = commands.worker("--threads", "1", "--grace", grace_s)
        worker.wait_until(started.exists, "the task runs")
        worker.send_signal(signal.SIGTERM)
        if second:
            worker.send_signal(signal.SIGINT)
        assert worker.wait(20) == (1 if second else 0), worker.output
        # It was not an attempt, and left nothing.
        assert query(database, "SELECT attempt FROM async_run") == [(0,)]
        assert labels(database) == []
        assert states(database)[0] in ("pending", "sent")
        # Nobody waits for a lease, which is a minute.
        rescuer = commands.worker()
        rescuer.wait_until(lambda: len(lines(started)) == 2, "run again")
        go.touch()
        rescuer.wait_until(lambda: states(database) == ["done"], "done")
        assert labels(database) == ["waited"]
        name = "(tests.rough_tasks:write_and_wait)"
        (line,) = (it for it in worker.output.splitlines() if "handed back" in it)
        assert "counts as no attempt" in line
        assert name in line
        assert (f"{name} outlasts the shutdown grace" in worker.output) is not second

    def test_one_that_ends_within_the_grace_is_not(
        self, commands: Commands, database: str, go: Path, tmp_path: Path
    ) -> None:
        worker = commands.worker("--grace", "20")
        worker.wait_until((tmp_path / "started").exists, "the task runs")
        worker.send_signal(signal.SIGTERM)
        go.touch()
        assert worker.wait(30) == 0, worker.output
        assert states(database) == ["done"]
        assert "outlasts" not in worker.output


def test_an_idle_worker_stops_soon(commands: Commands, script: Script) -> None:
    with script.transaction():
        script.record.write_entry.defer("x")
    worker = commands.worker()
    worker.wait_until(lambda: states(script.database) == ["done"], "done")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(25) == 0, worker.output


def wait_for_label(worker: Process, database: str, label: str) -> None:
    worker.wait_until(lambda: label in labels(database), label)


def test_a_running_worker_takes_what_comes(
    script: Script, commands: Commands, database: str
) -> None:
    worker = commands.worker()
    for label in ("first", "second"):
        with script.transaction():
            script.record.write_entry.defer(label)
        wait_for_label(worker, database, label)


def test_processes_and_threads_work_side_by_side(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        for _ in range(4):
            script.record.wait_for_file.defer(str(started), str(go))
    worker = commands.worker("--processes", "2", "--threads", "2")
    worker.wait_until(lambda: len(lines(started)) == 4, "all four run at once")
    go.touch()
    worker.wait_until(lambda: states(database) == ["done"] * 4, "done")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(25) == 0, worker.output
    assert len(lines(started)) == 4


@ONE_BROKER
def test_how_many_run_at_a_time_unless_told(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    # A SQLite file takes one transaction that writes.
    usual = {"sqlite": 1, "postgresql": 2}[backend.name]
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        for _ in range(3):
            script.record.wait_for_file.defer(str(started), str(go))
    worker = commands.worker()
    worker.wait_until(lambda: len(lines(started)) == usual, "they run")
    assert states(database).count("running") == usual
    go.touch()
    worker.wait_until(lambda: states(database) == ["done"] * 3, "done")


@ONE_DATABASE
def test_the_first_process_runs_maintenance_for_all(
    commands: Commands, broker_settings: dict[str, str]
) -> None:
    worker = commands.worker("--processes", "3", "--threads", "1")
    # A reaper, a sweep of batches; and a relay, where there is something to send.
    helpers = 2 if broker_settings["broker"] == "database" else 3

    def more_than_the_least() -> list[int]:
        counts = sorted(threads_of(pid) for pid in worker.children)
        return [count - counts[0] for count in counts]

    worker.wait_until(
        lambda: more_than_the_least() == [0, 0, helpers], "one process has them"
    )


def threads_of(pid: int) -> int:
    """How many threads a process has; none once it has ended."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except FileNotFoundError:
        return 0


def test_two_workers_share_without_doubling(
    script: Script, commands: Commands, database: str
) -> None:
    with script.transaction():
        for number in range(60):
            script.record.write_entry.defer(str(number))
    workers = [commands.worker("--burst", "--threads", "2") for _ in range(2)]
    for worker in workers:
        commands.run(worker)
    wait_until(lambda: states(database) == ["done"] * 60)
    assert Counter(labels(database)) == {str(number): 1 for number in range(60)}


def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    commands.hold_for_a_second()
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        task = script.record.wait_for_file.configure(visibility_timeout=2)
        result = task.defer(str(started), str(go))
    victim = commands.worker()
    victim.wait_until(lambda: bool(lines(started)), "the task runs")
    victim.kill()
    go.touch()
    rescuer = commands.worker()
    rescuer.wait_until(lambda: states(database) == ["done"], "run again", 60)
    assert len(lines(started)) == 2
    assert labels(database) == ["waited"]
    with script.transaction():
        assert result.get(timeout=5) == "finished"


def test_a_task_that_kills_its_worker_is_given_up(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    commands.hold_for_a_second()
    with script.transaction():
        task = script.record.kill_worker
        task.configure(visibility_timeout=1, max_attempts=2).defer(str(started))
    deadline = time.monotonic() + 60
    while states(database) != ["failed"]:
        assert time.monotonic() < deadline, states(database)
        commands.worker("--burst").wait(30)
    assert len(lines(started)) == 2


def web_task(
    app_factory: AppFactory, broker_settings: dict[str, str]
) -> tuple[Browser, dict[str, Any]]:
    browser = Browser(app_factory(**app_config(broker_settings)))
    answer = browser.post("/de/web-context", base_url="http://localhost/")
    return browser, dict(answer.json)


@pytest.mark.parametrize("how", ["flask", "--app"])
def test_web_tasks_with_the_app(
    app_factory: AppFactory,
    broker_settings: dict[str, str],
    commands: Commands,
    how: str,
) -> None:
    browser, task = web_task(app_factory, broker_settings)
    if how == "flask":
        commands.run(commands.flask("worker", "--burst"))
    else:
        app = "tests.acceptance.web_app:create_app"
        commands.run(commands.worker("--burst", "--app", app))
    answer = browser.get(task["url"])
    assert answer.json["state"] == "done", answer.text
    assert answer.json["result"] == task["seen"]


def test_web_tasks_without_the_app_are_left_with_a_warning(
    app_factory: AppFactory,
    broker_settings: dict[str, str],
    commands: Commands,
    database: str,
) -> None:
    browser, task = web_task(app_factory, broker_settings)
    output = commands.run(commands.worker("--burst"))
    assert "--app" in output
    assert browser.get(task["url"]).status_code == 202
    commands.run(commands.flask("worker", "--burst"))


@once
def test_mail_through_the_command(
    script: Script, commands: Commands, smtp_server: Any
) -> None:
    """Every worker knows the built-in task: it imports no module for it."""
    smtp_server.clear()
    message = EmailMessage()
    message["From"], message["To"] = "shop@example.com", "ada@example.com"
    message["Subject"] = "Hello"
    with script.transaction():
        NereidAsync.send_mail(message)
    commands.run(commands.worker("--burst"))
    (mail,) = wait_until(smtp_server.messages)
    assert mail["Subject"] == "Hello"


@ONE_BROKER
def test_a_worker_with_the_schedule(
    script: Script, commands: Commands, database: str
) -> None:
    query(database, "UPDATE ir_cron SET active = %s", False)
    query(
        database,
        "INSERT INTO ir_cron (method, interval_number, interval_type, active) "
        "VALUES ('async_test.record|defer_nightly', 1, 'days', %s)",
        True,
    )
    try:
        with commands.worker("--cron"):
            wait_until(lambda: labels(database) == ["nightly"], 30)
    finally:
        query(database, "DELETE FROM ir_cron WHERE active = %s", True)
        query(database, "UPDATE ir_cron SET active = %s", True)


# What is wrong is said, and ends it.


@ONE_BROKER
def test_a_database_that_is_not_there(commands: Commands) -> None:
    commands.database = "no_such_database"
    worker = commands.worker("--burst")
    assert worker.wait(30) not in (0, None)
    assert "no_such_database" in worker.output
    assert "Traceback" not in worker.output


@once
def test_no_database_at_all(commands: Commands) -> None:
    worker = commands.start("nereid-async", "worker", "-c", commands.conf)
    assert worker.wait(30) != 0
    assert "-d" in worker.output


@once
def test_a_wrong_setting(commands: Commands) -> None:
    text = commands.conf.read_text()
    text = text.replace("[async_sqs]\n", "[async_sqs]\nbrokr = sqs\n")
    commands.conf.write_text(text)
    worker = commands.worker("--burst")
    assert worker.wait(30) != 0
    assert "brokr" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize("words", [["async", "status"], ["run", "--port", "0"]])
def test_a_wrong_setting_of_an_app_that_flask_loads(
    commands: Commands, words: list[str]
) -> None:
    text = commands.conf.read_text()
    text = text.replace("[async_sqs]\n", "[async_sqs]\nbrokr = sqs\n")
    commands.conf.write_text(text)
    app = "tests.acceptance.web_app:create_app"
    flask = commands.start("flask", "--app", app, *words)
    assert flask.wait(30) == 1
    assert "Error: unknown setting" in flask.output
    assert "brokr" in flask.output
    assert "Traceback" not in flask.output


@once
def test_a_missing_key(commands: Commands) -> None:
    lines = commands.conf.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("signing_key")]
    commands.conf.write_text("\n".join(kept))
    worker = commands.worker("--burst")
    assert worker.wait(30) != 0
    assert "signing_key" in worker.output
    assert "Traceback" not in worker.output


@once
def test_a_bad_queue_name(commands: Commands) -> None:
    worker = commands.worker("--burst", "--queue", "a queue")
    assert worker.wait(30) != 0
    assert "a queue" in worker.output
    assert "Traceback" not in worker.output


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
def test_an_unreachable_sqs_is_said(
    commands: Commands, broker_settings: dict[str, str]
) -> None:
    url = broker_settings["sqs_endpoint_url"]
    nowhere = f"http://127.0.0.1:{free_port()}"
    commands.conf.write_text(commands.conf.read_text().replace(url, nowhere))
    worker = commands.worker()
    worker.wait_for_output(nowhere, 60)
    worker.send_signal(signal.SIGTERM)
    worker.wait(40)


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
def test_queues_of_another_account_that_cannot_be_seen(
    commands: Commands, broker_settings: dict[str, str], proxy: Proxy, database: str
) -> None:
    owner = "999988887777"
    proxy.refuse("AWS.SimpleQueueService.NonExistentQueue", only="GetQueueUrl")
    text = commands.conf.read_text()
    text = text.replace(broker_settings["sqs_endpoint_url"], proxy.url)
    text = text.replace("[async_sqs]", f"[async_sqs]\nsqs_queue_owner = {owner}")
    commands.conf.write_text(text)
    worker = commands.worker()
    assert worker.wait(60) == 1, worker.output
    assert f"{database}-trytond-async of account {owner}" in worker.output
    assert "Traceback" not in worker.output
    assert proxy.count("CreateQueue") == 0


@once
def test_help_and_version(commands: Commands) -> None:
    text = commands.run(commands.start("nereid-async", "--help"))
    assert "worker" in text
    text = commands.run(commands.start("nereid-async", "worker", "--help"))
    for option in ("--queue", "--processes", "--threads", "--burst", "--app"):
        assert option in text


def test_a_process_that_dies_is_replaced(
    script: Script, commands: Commands, database: str, tmp_path: Path
) -> None:
    commands.hold_for_a_second()
    started = tmp_path / "started"
    with script.transaction():
        task = script.record.kill_worker
        task.configure(visibility_timeout=1, max_attempts=2).defer(str(started))
    worker = commands.worker()
    worker.wait_until(lambda: states(database) == ["failed"], "given up", 60)
    with script.transaction():
        script.record.write_entry.defer("after it")
    wait_for_label(worker, database, "after it")
    assert len(lines(started)) == 2
    assert "worker process" in worker.output


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_process_that_somebody_else_ends_is_replaced(
    script: Script, commands: Commands, database: str
) -> None:
    worker = commands.worker()

    # Before it has threads, its handlers may not be there. And what Python starts when
    # it imports is a child as well, for a moment.
    def working() -> list[int]:
        return [pid for pid in worker.children if threads_of(pid) > 2]

    worker.wait_until(lambda: len(working()) == 1, "it works")
    # As a watchdog over memory does.
    os.kill(working()[0], signal.SIGTERM)
    worker.wait_for_output("was stopped by somebody else")
    with script.transaction():
        script.record.write_entry.defer("after it")
    wait_for_label(worker, database, "after it")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0, worker.output


def test_processes_are_recycled(
    script: Script, commands: Commands, database: str
) -> None:
    with script.transaction():
        for number in range(7):
            script.record.write_entry.defer(str(number))
    worker = commands.worker("--burst", "--max-tasks", "3")
    assert worker.wait(60) == 0
    assert states(database) == ["done"] * 7
    runs = query(database, "SELECT DISTINCT worker FROM async_run")
    assert len(runs) == 3
