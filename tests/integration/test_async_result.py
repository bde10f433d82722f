"""The caller's handle: when it may be asked, and what it then says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trytond.pool import Pool

from devtools.apps import SECRET_KEY
from nereid_async import AsyncResult, Progress
from nereid_async.errors import (
    ResultExpired,
    ResultMissing,
    ResultNotSent,
    ResultTimeout,
    TaskFailed,
)
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import query, wait_until
from tests.marks import ONE_DATABASE, once


def model() -> Any:
    return Pool().get("async_test.record")


@once
def test_id_and_url(script: Script) -> None:
    with script.transaction():
        result = model().echo.defer(1)
        assert result.url == f"/async/result/{result.id}"
        assert AsyncResult(result.id).id == result.id


def test_before_the_commit(script: Script) -> None:
    with script.transaction():
        result = model().echo.defer(1)
        asks: tuple[Callable[[], Any], ...] = (
            result.ready,
            result.state,
            result.progress,
            lambda: result.wait(0),
            lambda: result.get(0),
        )
        for ask in asks:
            with pytest.raises(ResultNotSent):
                ask()


def test_after_a_rollback(script: Script) -> None:
    with script.transaction() as transaction:
        result = model().echo.defer(1)
        transaction.rollback()
        with pytest.raises(ResultMissing):
            result.get(0)


def test_before_it_has_run(script: Script) -> None:
    with script.transaction():
        result = model().echo.defer(1)
    with script.transaction():
        assert result.ready() is False
        assert result.wait(0.1) is None
        started = time.monotonic()
        with pytest.raises(ResultTimeout):
            result.get(timeout=0.5)
        assert 0.4 < time.monotonic() - started < 5


@ONE_DATABASE
@pytest.mark.parametrize("value", [None, 0, "", [], False, "x", (1, 2)], ids=repr)
def test_the_value_is_kept_in_the_handle(script: Script, value: Any) -> None:
    with script.transaction():
        result = model().echo.defer(value)
    script.burst()
    with script.transaction():
        assert result.ready() is True
        for _ in range(3):
            arrived = result.get(timeout=5)
            assert (type(arrived), arrived) == (type(value), value)
            assert result.wait(5) == value


def test_a_handle_made_again_from_the_id(script: Script) -> None:
    with script.transaction():
        task_id = model().echo.defer("x").id
    script.burst()
    with script.transaction():
        assert AsyncResult(task_id).get(timeout=5) == "x"


def test_an_open_transaction_sees_the_result_arrive(script: Script) -> None:
    """A snapshot taken before would say pending for ever."""
    with script.transaction():
        result = model().echo.defer("x")
    with script.transaction():
        model().search([])
        assert result.ready() is False
        script_burst_in_thread(script)
        assert result.get(timeout=20) == "x"


def script_burst_in_thread(script: Script) -> None:
    thread = threading.Thread(target=script.burst)
    thread.start()
    thread.join()


# On SQLite a progress is dropped while another thread writes, and this task tells one.
@pytest.mark.backends("postgresql")
def test_state_and_progress(script: Script, tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        result = script.record.report_progress.defer(str(started), str(go))
    handles = result, AsyncResult(result.id)
    with script.transaction():
        assert all(it.state().waiting for it in handles)
        assert [it.progress() for it in handles] == [None, None]
    worker = threading.Thread(target=script.burst)
    worker.start()
    with script.transaction():
        assert wait_until(result.progress) == Progress(3, 10, "rendering")
        assert [str(it.state()) for it in handles] == ["running", "running"]
        go.touch()
        assert wait_until(result.ready)
        assert [it.state() for it in handles] == ["done", "done"]
        assert [it.progress() for it in handles] == [None, None]
    worker.join()


def test_a_failure_raises_with_the_remote_traceback(script: Script) -> None:
    with script.transaction():
        result = model().fail.defer("the reason")
    script.burst()
    with script.transaction():
        assert result.ready() is True
        assert result.state() == "failed"
        asks: tuple[Callable[[], Any], ...] = (
            lambda: result.wait(5),
            lambda: result.get(5),
        )
        for ask in asks:
            with pytest.raises(TaskFailed) as caught:
                ask()
            assert caught.value.type == "ValueError"
            assert caught.value.message == "the reason"
            assert "record.py" in caught.value.remote_traceback
            assert "raise ValueError(message)" in str(caught.value)


def test_an_ignored_result_is_null_when_it_is_ready(script: Script) -> None:
    with script.transaction():
        result = model().bare.defer("x")
    script.burst()
    with script.transaction():
        assert result.ready() is True
        assert result.get(timeout=5) is None


def test_an_unknown_id(script: Script) -> None:
    with script.transaction():
        handle = AsyncResult("00000000-0000-8000-8000-000000000000")
        with pytest.raises(ResultMissing):
            handle.get(timeout=0)
        with pytest.raises(ResultMissing):
            handle.state()


def test_results_expire(script: Script, database: str) -> None:
    with script.transaction():
        result = model().echo.defer("x")
    script.burst()
    past = "2020-01-01 00:00:00"
    query(database, "UPDATE async_task SET expires_at = %s", past)
    with script.transaction():
        with pytest.raises(ResultExpired):
            result.get(timeout=5)
        assert result.state() == "done"


def test_results_may_be_kept_in_the_row_on_sqs(
    database: str, tryton_conf: ConfWriter, ministack: str
) -> None:
    from tests.fixtures.services import sqs_client, sqs_settings

    settings = sqs_settings(ministack)
    tryton_conf(signing_key=SECRET_KEY, results="database", **settings)
    script = Script(database)
    assert script.value_of(lambda: model().echo.defer("x")) == "x"
    urls = sqs_client(ministack).list_queues(
        QueueNamePrefix=settings["sqs_queue_prefix"]
    )["QueueUrls"]
    assert not [url for url in urls if "-reply-" in url]
