"""What the server of a worker answers, served in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry, values

from devtools.messages import message
from nereid_async import signals
from nereid_async.errors import ConfigurationError
from nereid_async.metrics import multiprocess
from nereid_async.metrics.exposition import Exposition, WorkerFacts
from nereid_async.metrics.families import Families
from nereid_async.metrics.recording import Recorder
from nereid_async.worker.health_state import Health, HealthState
from nereid_async.worker.http_server import Server, listen, url_of


@pytest.fixture
def metrics_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where metrics of this process are counted, for one test."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    multiprocess.count_in(tmp_path, 3)
    in_files: Any = values.ValueClass
    yield tmp_path
    in_files.close_all_files()


@pytest.fixture
def http_server(metrics_folder: Path) -> Iterator[Server]:
    def worker() -> WorkerFacts:
        return WorkerFacts(4, 1, ready=True)

    metrics = Exposition(metrics_folder, worker, None).text
    with listen("127.0.0.1", 0) as listener:
        server = Server(listener, HealthState(), metrics, "missing", lambda: None)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_health(http_server: Server) -> None:
    url = url_of(http_server.socket)

    def get(path: str) -> tuple[int, str]:
        answer = requests.get(url + path, timeout=10)
        return answer.status_code, answer.text

    assert get("/health/ready") == (503, "starting\n")
    http_server.health.write(Health(True, "busy: worker process 0"))
    assert get("/health/ready?from=probe") == (200, "busy: worker process 0\n")
    http_server.health.write(Health(False, "stuck: 🐌" + "x" * 1_000))
    assert get("/health/ready")[1].startswith("stuck: 🐌xxx")
    assert get("/health/live") == (200, "ok\n")
    assert get("/")[0] == 404
    head = requests.head(f"{url}/health/live", timeout=10)
    assert (head.text, head.headers["Content-Length"]) == ("", "3")
    assert head.headers["Server"].strip() == "nereid_async"
    assert requests.post(f"{url}/health/live", timeout=10).status_code == 501


def test_metrics(http_server: Server, metrics_folder: Path) -> None:
    url = url_of(http_server.socket)
    with Recorder(Families.of(CollectorRegistry())).connected():
        call = message("mail")
        signals.task_started.send("shop", message=call, attempt=2)
        signals.task_failed.send("shop", message=call, error=None)
    answer = requests.get(f"{url}/metrics", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    labels = 'queue="mail",task="async_test.record.echo"'
    for line in (
        "nereid_async_worker_threads 4.0",
        "nereid_async_tasks_in_flight 1.0",
        f"nereid_async_task_run_seconds_count{{{labels}}} 1.0",
        f"nereid_async_task_wait_seconds_count{{{labels}}} 0.0",
        f'nereid_async_tasks_finished_total{{outcome="failed",{labels}}} 1.0',
    ):
        assert line in lines
    assert {it.name for it in metrics_folder.glob("*.db")} == {
        "counter_3.db",
        "histogram_3.db",
    }
    http_server.metrics = None
    assert requests.get(f"{url}/metrics", timeout=10).text == "missing\n"


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(ConfigurationError, match=r"--http 192\.0\.2\.1:9100: .*choose"):
        listen("192.0.2.1", 9100)
    with pytest.raises(ConfigurationError, match=r"--http no-such-host\.invalid:1: "):
        listen("no-such-host.invalid", 1)
