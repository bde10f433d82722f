"""What has outlived its time goes; what failed can be run again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devtools.proxy import Proxy, Refusal
from nereid_async import AsyncResult
from nereid_async.errors import ResultExpired, ResultMissing
from nereid_async.messages.outcome import Outcome
from nereid_async.results.base import ResultStore
from nereid_async.runtime import build, of_database
from nereid_async.worker.maintenance.reaper import reap
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import sqs_client, sqs_settings
from tests.helpers import query, states
from tests.integration.test_relay import hour_ago, sent


def test_old_rows_go_and_young_ones_stay(
    script: Script, database: str, tryton_conf: ConfWriter
) -> None:
    with script.transaction():
        old, young = (script.record.echo.defer(n) for n in range(2))
        waiting = script.record.echo.configure(delay=600).defer(2)
    script.burst()
    assert reap(of_database(database)) == 0
    query(
        database,
        "UPDATE async_task SET finished_at = deferred_at WHERE uuid = %s",
        old.id,
    )
    rows = of_database(database).rows
    assert rows is not None
    assert rows.reap(3_600, 10) == 0
    assert rows.reap(-5, 1) == 1
    left = {uuid for (uuid,) in query(database, "SELECT uuid FROM async_task")}
    assert len(left) == 2
    assert waiting.id in left
    runs = {uuid for (uuid,) in query(database, "SELECT uuid FROM async_run")}
    assert runs <= left
    with script.transaction():
        gone = {old.id, young.id} - left
        with pytest.raises(ResultMissing):
            AsyncResult(gone.pop()).get(1)


def test_a_result_goes_before_its_row(script: Script, database: str) -> None:
    with script.transaction():
        result = script.record.echo.defer("x")
    script.burst()
    query(database, f"UPDATE async_task SET expires_at = {hour_ago()}")
    with script.transaction(), pytest.raises(ResultExpired):
        AsyncResult(result.id).get(1)
    rows = of_database(database).rows
    assert rows is not None
    assert rows.reap(3_600, 10) == 1
    assert query(database, "SELECT state, result FROM async_task") == [("done", None)]
    with script.transaction(), pytest.raises(ResultExpired):
        AsyncResult(result.id).get(1)


def test_failed_tasks_run_again(script: Script, database: str) -> None:
    with script.transaction():
        result = script.record.fail.configure(max_attempts=1).defer("no luck")
        fine = script.record.echo.defer(1)
    script.burst()
    rows = of_database(database).rows
    assert rows is not None
    assert sorted(states(database)) == ["done", "failed"]
    assert rows.retry_failed([result.id, fine.id, "none"]) == [result.id]
    assert sorted(states(database)) == ["done", "pending"]
    if not of_database(database).rows_are_messages:
        assert sent(database, 0) == 1
    script.burst()
    assert sorted(states(database)) == ["done", "failed"]
    assert query(
        database, "SELECT attempt FROM async_run WHERE uuid = %s", result.id
    ) == [(1,)]


def when_all_is_over(database: str) -> ResultStore:
    """The store as it will be when the time of all results is over."""
    settings = replace(of_database(database).settings, result_ttl=-1)
    return build(database, settings).results


@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
def test_forgotten_reply_queues_go(
    script: Script, database: str, broker_settings: dict[str, str]
) -> None:
    client = sqs_client(broker_settings["sqs_endpoint_url"])
    prefix = broker_settings["sqs_queue_prefix"]
    other = f"{prefix}-{database}-reply-not-a-uuid"
    client.create_queue(QueueName=other)
    with script.transaction():
        result = script.record.echo.defer("x")
    script.burst()

    def names() -> set[str]:
        urls = client.list_queues(QueueNamePrefix=f"{prefix}-{database}-reply-")
        return {url.rpartition("/")[2] for url in urls.get("QueueUrls", [])}

    reply = f"{prefix}-{database}-reply-{result.id}"
    assert names() == {other, reply}
    runtime = of_database(database)
    assert runtime.results.reap() == 0
    assert when_all_is_over(database).reap() == 1
    assert names() == {other}


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("call", ["GetQueueAttributes", "DeleteQueue"])
def test_a_reply_queue_that_is_denied_does_not_keep_the_others(
    ministack: str,
    proxy: Proxy,
    database: str,
    tryton_conf: ConfWriter,
    call: str,
) -> None:
    tryton_conf(signing_key="k" * 32, **sqs_settings(proxy.url))
    results = of_database(database).results
    ids = [f"{n}{'1' * 7}-1111-8111-8111-{'1' * 12}" for n in range(3)]
    for task_id in ids:
        results.put(task_id, Outcome(1, 1))
    proxy.watch.before = lambda made: (
        Refusal(403, "AccessDenied")
        if made.name == call and made.queue.endswith(ids[0])
        else None
    )
    assert when_all_is_over(database).reap() == 2
