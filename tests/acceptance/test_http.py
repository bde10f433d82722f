"""What a worker answers over HTTP: its health, and its metrics."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from devtools.databases import PROJECT
from devtools.processes import Process, listens
from devtools.servers import PostgreSQL
from tests.acceptance.conftest import PATH, Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import sqs_settings
from tests.helpers import wait_until
from tests.marks import ONE_BROKER, ONE_DATABASE, once

PAGES = PROJECT / "docs" / "how-to"
ANYWHERE = ("--http", "127.0.0.1:0")
OURS = "nereid_async_"
_NAME = re.compile(rf"\b{OURS}\w+")

QUEUE = "trytond-async"

#: By the name without what all begin with, and the values of the labels.
Samples = dict[tuple[str, frozenset[str]], float]


def key(name: str, *labels: str) -> tuple[str, frozenset[str]]:
    return name, frozenset(labels)


UP = key("database_up")


def url_of(worker: Process) -> str:
    """Where it answers, as its first line says."""
    worker.wait_for_output("is ready")
    (url,) = re.findall(r"is ready: .*(http://\S+)", worker.output)
    return str(url)


def scraped(url: str) -> Samples:
    """What /metrics says."""
    answer = requests.get(f"{url}/metrics", timeout=10)
    assert answer.status_code == 200, answer.text
    return {
        key(it.name.removeprefix(OURS), *it.labels.values()): it.value
        for family in text_string_to_metric_families(answer.text)
        for it in family.samples
    }


def ready(url: str) -> tuple[int, str]:
    answer = requests.get(f"{url}/health/ready", timeout=10)
    return answer.status_code, answer.text


def ended(samples: Samples) -> float:
    """How many tasks have ended for good."""
    return sum(n for (it, _), n in samples.items() if it == "tasks_finished_total")


def run_all_kinds(script: Script, worker: Process, folder: Path) -> Samples:
    """Let a worker run tasks of each outcome; what it says then."""
    url = url_of(worker)
    with script.transaction():
        for label in "abc":
            script.record.write_entry.defer(label)
        script.record.chain.defer("d")
        script.record.fail.defer("for good")
        script.record.retry_now.defer(str(folder / "times"), 1)
        script.record.write_entry.configure(delay=3_600).defer("later")
    wait_until(lambda: ended(scraped(url)) == 7, 40, worker.output)
    samples = scraped(url)
    write, fail, retry = (
        f"async_test.record.{it}" for it in ("write_entry", "fail", "retry_now")
    )
    expected = {
        key("tasks_started_total", QUEUE, write): 4,
        # That of the task: this process is not measured.
        key("tasks_deferred_total", QUEUE, write): 1,
        key("tasks_sent_total", QUEUE, write): 1,
        key("tasks_finished_total", QUEUE, write, "done"): 4,
        key("tasks_finished_total", QUEUE, fail, "failed"): 1,
        key("tasks_started_total", QUEUE, retry): 2,
        key("tasks_retried_total", QUEUE, retry): 1,
        key("task_run_seconds_count", QUEUE, write): 4,
        key("task_run_seconds_count", QUEUE, retry): 2,
        # Of its first attempt only.
        key("task_wait_seconds_count", QUEUE, retry): 1,
        UP: 1,
        key("worker_ready"): 1,
    }
    assert {it: samples.get(it) for it in expected} == expected
    return samples


@ONE_BROKER
@pytest.mark.backends("postgresql")
def test_processes_that_come_and_go_leave_their_counts(
    script: Script, commands: Commands, tmp_path: Path
) -> None:
    """They are recycled after each second task, and the counts go on."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    words = ("--max-tasks", "2", "--threads", "2", "--processes", "2")
    worker = commands.start(
        *("nereid-async", "worker", "-c", commands.conf, "-d", commands.database),
        *(*ANYWHERE, *words),
        TMPDIR=str(folder),
    )
    samples = run_all_kinds(script, worker, tmp_path)
    assert samples[key("worker_threads")] == 4
    expected = {
        key("queue_tasks", QUEUE, "due"): 0,
        key("queue_tasks", QUEUE, "scheduled"): 1,
        key("queue_tasks", QUEUE, "running"): 0,
        key("queue_tasks", QUEUE, "failed"): 1,
        key("queue_oldest_due_seconds", QUEUE): 0,
        key("tasks_in_flight"): 0,
        key("batches_open"): 0,
    }
    # What was read of the database is some seconds old.
    url = url_of(worker)
    wait_until(lambda: expected.items() <= scraped(url).items())
    # No file a process, but a pair a slot.
    assert len([*folder.rglob("*.db")]) <= 2 * 2
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, worker.output
    assert [*folder.iterdir()] == []


class TestOnSqs:
    @pytest.fixture
    def broker_settings(self, ministack: str) -> dict[str, str]:
        return sqs_settings(ministack)

    @ONE_DATABASE
    def test_the_dashboard_asks_for_what_is_there(
        self, script: Script, commands: Commands, tmp_path: Path
    ) -> None:
        worker = commands.flask("worker", *ANYWHERE)
        samples = run_all_kinds(script, worker, tmp_path)
        assert samples[key("sqs_calls_total", "receive_message", "ok")] > 0
        assert key("outbox_oldest_seconds") in samples
        answer = requests.get(f"{url_of(worker)}/metrics", timeout=10).text
        names = set(re.findall(rf"^({OURS}\w+)[ {{]", answer, re.MULTILINE))
        families = set(re.findall(rf"^# TYPE ({OURS}\w+)", answer, re.MULTILINE))
        page = (PAGES / "monitoring.rst").read_text()
        assert set(re.findall(rf"^``({OURS}\w+)``", page, re.MULTILINE)) == families
        asked = [_NAME.findall(it) for it in expressions()]
        assert all(asked)
        assert {name for names in asked for name in names} <= names
        url = url_of(worker)
        os.kill(worker.children[0], signal.SIGKILL)
        assert requests.get(f"{url}/health/live", timeout=10).status_code == 200
        worker.wait_for_output("the process for HTTP has ended")


def expressions() -> list[str]:
    """The queries of the dashboard."""
    dashboard = json.loads((PAGES / "grafana-dashboard.json").read_text())
    return [it["expr"] for panel in dashboard["panels"] for it in panel["targets"]]


@once
def test_it_is_not_ready_once_it_is_told_to_stop(
    script: Script, commands: Commands, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        script.record.wait_for_file.defer(str(started), str(go))
    worker = commands.worker(*ANYWHERE)
    url = url_of(worker)
    assert ready(url) == (200, "ok\n")
    assert requests.get(f"{url}/else", timeout=10).status_code == 404
    assert wait_until(started.exists)
    assert scraped(url)[key("tasks_in_flight")] == 1
    taken = commands.worker("--http", url.removeprefix("http://"))
    assert taken.wait(30) == 1
    assert taken.output.strip().splitlines()[-1] == (
        f"Error: --http {url.removeprefix('http://')}: Address already in use; "
        "choose another address"
    )
    worker.send_signal(signal.SIGTERM)
    assert wait_until(lambda: ready(url) == (503, "draining\n"))
    assert requests.get(f"{url}/health/live", timeout=10).text == "ok\n"
    go.touch()
    assert worker.wait(30) == 0, worker.output
    assert not listens(int(url.rpartition(":")[2]))


@once
def test_a_process_that_hangs_is_told(commands: Commands, tmp_path: Path) -> None:
    """Without the extra as well, which metrics need only."""
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('missing')")
    worker = commands.start(
        *("nereid-async", "worker", "-c", commands.conf, "-d", commands.database),
        *(*ANYWHERE, "--stuck-after", "1", "--grace", "0"),
        PYTHONPATH=os.pathsep.join([str(tmp_path), PATH["PYTHONPATH"]]),
    )
    url = url_of(worker)
    metrics = requests.get(f"{url}/metrics", timeout=10)
    assert metrics.status_code == 501
    assert metrics.text == (
        'metrics need prometheus-client: pip install "nereid_async[metrics]"\n'
    )
    process = next(it for it in worker.children if it != worker.children[0])
    os.kill(process, signal.SIGSTOP)
    assert wait_until(lambda: ready(url)[0] == 503)
    assert ready(url)[1].startswith("stuck: worker process 0 has not received for ")
    os.kill(process, signal.SIGCONT)
    assert wait_until(lambda: ready(url) == (200, "ok\n"))


@pytest.mark.backends("postgresql")
@ONE_BROKER
def test_a_database_that_is_away_delays_no_scrape(
    commands: Commands, server: PostgreSQL
) -> None:
    worker = commands.worker(*ANYWHERE)
    url = url_of(worker)
    assert scraped(url)[UP] == 1
    server.stop()
    wait_until(lambda: scraped(url)[UP] == 0)
    names = {name for name, _ in scraped(url)}
    assert "queue_tasks" not in names
    assert "worker_threads" in names
    server.start()
    wait_until(lambda: scraped(url)[UP] == 1, 30)
