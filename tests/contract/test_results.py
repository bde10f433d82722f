"""The result stores, and what is each one's own."""

from __future__ import annotations

from typing import Any

import pytest

from nereid_async.messages.outcome import Outcome, Progress, State
from nereid_async.messages.serialization import Json
from nereid_async.results.sqs import SqsResults
from nereid_async.rows import TaskRows
from tests.contract.result_suite import ResultSuite, RowResultSuite
from tests.contract.stores import BareSqsKeeper, Keeper, RowKeeper
from tests.fixtures.services import sqs_client


class TestBareSqsResults(ResultSuite):
    """The store ``sqs`` without an outbox."""

    @pytest.fixture
    def keeper(self, sqs_endpoint: str) -> Keeper:
        return BareSqsKeeper(sqs_endpoint)

    @pytest.fixture
    def boto_client(self, sqs_endpoint: str) -> Any:
        return sqs_client(sqs_endpoint)

    def test_a_reply_waits_in_a_queue_named_by_its_task(
        self, keeper: BareSqsKeeper, boto_client: Any
    ) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1))
        name = f"{keeper.settings.sqs_queue_prefix}-shop-reply-{task_id}"
        url = boto_client.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = boto_client.get_queue_attributes(
            QueueUrl=url, AttributeNames=["MessageRetentionPeriod"]
        )["Attributes"]
        ttl_s = str(int(keeper.settings.result_ttl))
        assert attributes == {"MessageRetentionPeriod": ttl_s}
        keeper.store().delete(task_id)
        prefix = keeper.settings.sqs_queue_prefix
        left = boto_client.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
        assert left == []

    def test_a_reply_that_others_wrote_is_not_believed(
        self, keeper: BareSqsKeeper, boto_client: Any
    ) -> None:
        task_id, other = keeper.defer(), keeper.defer()
        prefix = f"{keeper.settings.sqs_queue_prefix}-shop-reply-"
        keeper.finish(other, Outcome("of another task", None))
        url = boto_client.get_queue_url(QueueName=prefix + other)["QueueUrl"]
        (message,) = boto_client.receive_message(QueueUrl=url)["Messages"]
        forged = boto_client.create_queue(QueueName=prefix + task_id)["QueueUrl"]
        boto_client.send_message(QueueUrl=forged, MessageBody=message["Body"])
        boto_client.send_message(QueueUrl=forged, MessageBody='{"value": 1}')
        for _ in range(3):
            status = keeper.store().look(task_id)
            assert status is not None
            assert status.outcome is None

    def test_a_full_size_result_fits(self, keeper: BareSqsKeeper) -> None:
        """What is within ``max_message_bytes`` can be sent, whatever is in it."""
        task_id = keeper.defer()
        value: Json = ['"\\'] * 149_000
        keeper.finish(task_id, Outcome(value, value))
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.outcome == Outcome(value, value)


class TestDatabaseResults(RowResultSuite):
    """The store ``database``."""

    @pytest.fixture
    def keeper(self, database: str) -> Keeper:
        return RowKeeper(database)

    def test_results_expire(self, keeper: RowKeeper) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1), ttl_s=-1)
        status = keeper.store().look(task_id)
        assert status is not None
        assert (status.state, status.gone) == (State.DONE, True)
        assert status.outcome is None

    def test_progress_is_told(self, keeper: RowKeeper, database: str) -> None:
        task_id = keeper.defer()
        rows = TaskRows(database)
        claim = rows.claim_ids([task_id], 60)[task_id]
        rows.start(claim, "a worker")
        rows.report(claim, Progress(3, 10, "half"))
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.progress == Progress(3, 10, "half")


class TestSqsResults(RowResultSuite):
    """The store ``sqs`` with an outbox."""

    @pytest.fixture
    def keeper(self, database: str, ministack: str) -> Keeper:
        return RowKeeper(database, ministack)

    def test_done_stays_done_when_the_reply_is_gone(
        self, keeper: RowKeeper, ministack: str
    ) -> None:
        """Retention over, or a short poll that missed it: never back to running."""
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1))
        boto_client = sqs_client(ministack)
        assert keeper.settings is not None
        prefix = keeper.settings.sqs_queue_prefix
        (url,) = boto_client.list_queues(QueueNamePrefix=prefix)["QueueUrls"]
        boto_client.delete_queue(QueueUrl=url)
        status = keeper.store().look(task_id)
        assert status is not None
        assert status.state is State.DONE

    def test_the_reply_is_read_and_not_only_the_row(
        self, keeper: RowKeeper, database: str
    ) -> None:
        task_id = keeper.defer()
        keeper.finish(task_id, Outcome(1, 1))
        assert keeper.settings is not None
        bare = SqsResults(database, keeper.settings, None)
        status = bare.look(task_id)
        assert status is not None
        assert status.outcome == Outcome(1, 1)
