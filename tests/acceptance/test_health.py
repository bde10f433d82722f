"""A worker that cannot receive says so, and ends when it never can again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from devtools.processes import Process
from devtools.proxy import Proxy
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.fixtures.services import NO_KEYS, sqs_settings
from tests.marks import ONE_DATABASE

#: A process is stuck after 3 s, which is more than the second a long poll takes.
WATCHED = ("--stuck-after", "3", "--grace", "0")


@pytest.fixture
def health(tmp_path: Path) -> Path:
    return tmp_path / "health"


def says(worker: Process, health: Path, text: str) -> None:
    worker.wait_until(
        lambda: health.exists() and health.read_text().startswith(text), text, 40
    )


def test_a_healthy_worker_says_ok_and_takes_the_file_away(
    commands: Commands, health: Path
) -> None:
    worker = commands.worker("--health-file", str(health))
    says(worker, health, "ok")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, worker.output
    assert not health.exists()


class TestWithoutSqs:
    """The queue service does not answer."""

    @pytest.fixture
    def broker_settings(self, proxy: Proxy) -> dict[str, str]:
        return sqs_settings(proxy.url)

    @ONE_DATABASE
    def test_it_says_so_until_it_is_back(
        self, commands: Commands, proxy: Proxy, health: Path
    ) -> None:
        queues = ("--queue", "trytond-async", "--queue", "mail")
        worker = commands.worker(*WATCHED, *queues, "--health-file", str(health))
        says(worker, health, "ok")
        proxy.down = True
        says(worker, health, "stuck: worker process 0 has not received for ")
        assert "has not received" in worker.output
        # Once, whatever fails of it again and again.
        assert worker.output.count("nothing is received: SQS ") == 1
        assert "receiving from" not in worker.output
        proxy.down = False
        says(worker, health, "ok")
        worker.wait_for_output("receives again")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, worker.output

    @ONE_DATABASE
    def test_missing_credentials_are_told_once(
        self, commands: Commands, script: Script
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("x")
        conf = commands.conf.read_text()
        kept = [it for it in conf.splitlines() if "_key = test" not in it]
        commands.conf.write_text("\n".join(kept))
        queues = ("--queue", "trytond-async", "--queue", "mail")
        worker = commands.worker(*WATCHED, *queues, "--processes", "2", **NO_KEYS)
        worker.wait_for_output("has not received", 60)
        (line,) = [it for it in worker.output.splitlines() if "credentials" in it]
        assert "Set sqs_access_key and sqs_secret_key" in line

    @ONE_DATABASE
    def test_it_ends_with_an_error_when_that_lasts(
        self, commands: Commands, proxy: Proxy
    ) -> None:
        proxy.refuse("AccessDenied", 403)
        worker = commands.worker(*WATCHED, "--give-up-after", "4")
        assert worker.wait(60) == 1, worker.output
        assert "AccessDenied" in worker.output
        assert "should be restarted" in worker.output


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_a_process_that_hangs_is_killed(commands: Commands, health: Path) -> None:
    worker = commands.worker(
        *WATCHED, "--give-up-after", "4", "--health-file", str(health)
    )
    says(worker, health, "ok")
    (child,) = worker.children
    os.kill(child, signal.SIGSTOP)
    assert worker.wait(60) == 1, worker.output
    assert not Path("/proc", str(child)).exists()


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_threads_that_are_busy_for_long_are_told(
    script: Script, commands: Commands, health: Path, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        for _ in range(2):
            script.record.wait_for_file.defer(str(started), str(go))
    worker = commands.worker(
        "--threads", "2", "--busy-after", "1", "--health-file", str(health)
    )
    says(worker, health, "busy: worker process 0: all 2 thread(s) busy for ")
    assert "with async_test.record.wait_for_file" in worker.output
    go.touch()
    says(worker, health, "ok")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, worker.output
