"""A task that has failed runs again, and its owner gets the new answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.proxy import Proxy
from devtools.workers import burst
from nereid_async import runtime as runtimes
from nereid_async.messages.outcome import Failure, Outcome
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.apps import AppFactory
from tests.fixtures.services import sqs_settings
from tests.helpers import wait_until


def retry(app: Any, task_id: str) -> None:
    """What the command does, and the relay."""
    runtime = app.extensions["nereid_async"]
    done = app.test_cli_runner().invoke(args=["async", "retry", task_id])
    assert done.exit_code == 0, done.output
    if not runtime.rows_are_messages:
        Relay(runtime, runtime.rows).send_round(0)


def test_the_browser_gets_the_new_answer(
    app: Any, client: Browser, tmp_path: Path
) -> None:
    attempts = str(tmp_path / "attempts")
    task = client.defer("fail_times", attempts, 1, configure={"max_attempts": 1})
    burst(app)
    assert client.get(task["url"]).json["state"] == "failed"
    retry(app, task["id"])
    assert client.get(task["url"]).status_code == 202

    def done() -> bool:
        burst(app)
        return bool(client.get(task["url"]).json["state"] == "done")

    wait_until(done)
    assert client.get(task["url"]).json["result"] == 2


class TestRepliesInQueues:
    @pytest.fixture
    def broker_settings(self, proxy: Proxy) -> dict[str, str]:
        return sqs_settings(proxy.url)

    @pytest.fixture
    def failed_task(self, app: Any, client: Browser, tmp_path: Path) -> dict[str, Any]:
        """A task that has failed, and would not a second time."""
        attempts = str(tmp_path / "attempts")
        task = client.defer("fail_times", attempts, 1, configure={"max_attempts": 1})
        burst(app)
        return task

    def test_the_row_decides_whatever_the_queue_holds(
        self, app: Any, client: Browser, failed_task: dict[str, Any], proxy: Proxy
    ) -> None:
        """The old reply could not be removed, or came late."""
        runtime = app.extensions["nereid_async"]
        proxy.refuse("AccessDenied", 403, only="DeleteMessageBatch")
        retry(app, failed_task["id"])
        proxy.refuse("", only="none")
        runtime.results.put(
            failed_task["id"], Outcome(failure=Failure("Older", "reply"))
        )
        assert client.get(failed_task["url"]).status_code == 202
        burst(app)
        assert client.get(failed_task["url"]).json["result"] == 2

    def test_the_old_reply_goes(
        self,
        app_factory: AppFactory,
        app: Any,
        failed_task: dict[str, Any],
        proxy: Proxy,
    ) -> None:
        """Also for who has no rows to look at."""
        retry(app, failed_task["id"])
        burst(app)
        runtime = app.extensions["nereid_async"]
        without_rows = replace(runtime.settings, outbox=False)
        results = runtimes.build(runtime.database, without_rows).results
        reply = results.look(failed_task["id"])
        assert reply is not None
        assert reply.outcome == Outcome(2, 2)

    def test_none_is_no_error(self, app: Any, client: Browser) -> None:
        task = client.defer("fail", "x")
        burst(app)
        app.extensions["nereid_async"].results.delete(task["id"])
        retry(app, task["id"])
        assert client.get(task["url"]).status_code == 202
