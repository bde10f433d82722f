"""What a claim counts: a kill must not use up what was only waiting in the hand."""

from __future__ import annotations

import pytest

from nereid_async.runtime import of_database
from tests.fixtures.scripts import Script
from tests.fixtures.services import sqs_settings
from tests.helpers import intake, query

ATTEMPTS = "SELECT uuid, attempt FROM async_run"


@pytest.fixture
def broker_settings(ministack: str) -> dict[str, str]:
    """SQS only: the rows of the database broker are claimed before they are read."""
    return sqs_settings(ministack)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_claim_ahead_counts_where_an_attempt_can_be_spared(
    script: Script, database: str, at_once: bool
) -> None:
    with script.transaction():
        tries = {
            script.record.write_entry.configure(max_attempts=most).defer("x").id: most
            for most in (1, 2, 3, 5)
        }
    runtime = of_database(database)
    consumer = runtime.broker.consumer((runtime.settings.sqs_queue,))
    try:
        received = consumer.receivers[0].receive(10, 5)
        assert len(received) == 4
        jobs = intake(runtime, consumer).admit(received, at_once=at_once)
    finally:
        consumer.close()
    # Whatever is counted already, each of them is to run for the first time.
    assert {job.message.id: job.attempt for job in jobs} == dict.fromkeys(tries, 1)
    assert {tries[id]: attempt for id, attempt in query(database, ATTEMPTS)} == {
        1: int(at_once),
        2: int(at_once),
        3: 1,
        5: 1,
    }
