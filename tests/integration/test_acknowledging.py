"""Reading a result leaves it for others; ``acknowledge`` removes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from trytond.pool import Pool

from devtools.apps import SECRET_KEY
from nereid_async import AsyncResult
from nereid_async.errors import ResultExpired, ResultTimeout, TaskFailed
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_client, sqs_settings

#: Everywhere that a result may wait, by settings.
STORES: dict[str, dict[str, str]] = {
    "database": {"broker": "database"},
    "sqs": {},
    "sqs, results in the row": {"results": "database"},
    "sqs, without an outbox": {"outbox": "no"},
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of each store in turn."""
    settings = STORES[request.param]
    if "broker" in settings:
        return settings
    return {**sqs_settings(request.getfixturevalue("ministack")), **settings}


@pytest.fixture
def script(database: str, store: dict[str, str], tryton_conf: ConfWriter) -> Script:
    """A script, on each of the stores."""
    tryton_conf(signing_key=SECRET_KEY, **store)
    return Script(database)


def reply_queues(settings: dict[str, str]) -> list[str]:
    """The names of the queues in which replies wait."""
    if "sqs_endpoint_url" not in settings:
        return []
    answer = sqs_client(settings["sqs_endpoint_url"]).list_queues(
        QueueNamePrefix=settings["sqs_queue_prefix"]
    )
    names = [url.rpartition("/")[2] for url in answer.get("QueueUrls", [])]
    return [name for name in names if "-reply-" in name]


def old_api() -> Any:
    from trytond.modules.async_sqs import ResultOptions

    return (
        Pool()
        .get("async.async")
        .defer(
            method="echo",
            model="async_test.record",
            args=["x"],
            result_options=ResultOptions(ignore_result=False),
        )
    )


DEFERRALS: dict[str, Callable[[Any], Any]] = {
    "task": lambda record: record.echo.defer("x"),
    "old API": lambda record: old_api(),
}


@pytest.mark.parametrize("kind", DEFERRALS)
def test_reading_leaves_it_for_others(script: Script, kind: str) -> None:
    with script.transaction():
        result = DEFERRALS[kind](script.record)
    script.burst()
    with script.transaction():
        assert result.ready()
        assert result.wait(5) == "x"
        for _ in range(2):
            other = AsyncResult(result.id)
            assert other.ready()
            assert other.get(timeout=5) == "x"
            assert AsyncResult(result.id).wait(5) == "x"


def test_a_failure_is_left_for_others(script: Script) -> None:
    with script.transaction():
        result = script.record.fail.defer("the reason")
    script.burst()
    with script.transaction():
        for handle in (result, AsyncResult(result.id), AsyncResult(result.id)):
            with pytest.raises(TaskFailed, match="the reason"):
                handle.get(timeout=5)


def test_acknowledging_removes_it(script: Script, store: dict[str, str]) -> None:
    with script.transaction():
        result = script.record.echo.defer("x")
    script.burst()
    with script.transaction():
        assert result.get(timeout=5) == "x"
        in_queue = "sqs_endpoint_url" in store and "results" not in store
        assert len(reply_queues(store)) == in_queue
        result.acknowledge()
        assert reply_queues(store) == []
        assert result.get(timeout=5) == "x"
        result.acknowledge()
        other = AsyncResult(result.id)
        if "outbox" in store:
            # Nothing is left that could tell that it was there.
            assert not other.ready()
            return
        with pytest.raises(ResultExpired):
            other.get(timeout=5)
        other.acknowledge()


def test_there_is_nothing_to_acknowledge_before_the_end(script: Script) -> None:
    with script.transaction():
        result = script.record.echo.defer("x")
    with script.transaction(), pytest.raises(ResultTimeout, match="not finished"):
        result.acknowledge()
    script.burst()
    with script.transaction():
        assert result.get(timeout=5) == "x"
