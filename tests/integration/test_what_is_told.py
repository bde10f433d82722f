"""What the log says of a task that did not come to its end: its author reads it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests import plain_tasks
from tests.fixtures.scripts import Script
from tests.helpers import query

pytestmark = [
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
    pytest.mark.backends("sqlite"),
]


def test_another_run_that_was_asked_for_is_no_failure(
    script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with script.transaction():
        script.record.retry_now.defer(str(tmp_path / "attempts"), 1)
    with caplog.at_level(logging.INFO):
        script.burst()
    (record,) = [it for it in caplog.records if "another run" in it.getMessage()]
    assert record.levelno == logging.INFO
    assert "attempt 1; again in 0.0 s" in record.getMessage()
    assert "Traceback" not in caplog.text


def test_the_reason_for_another_run_is_told(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    with script.transaction():
        plain_tasks.retry_because.defer("the mail server is away")
    script.burst()
    (record,) = [it for it in caplog.records if "another run" in it.getMessage()]
    assert record.levelno == logging.WARNING
    assert "OSError: the mail server is away" in record.getMessage()
    assert "Traceback" not in caplog.text


def test_a_traceback_begins_with_the_task(
    script: Script, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with script.transaction():
        plain_tasks.fail_below.defer("told")
    script.burst()
    ((kept,),) = query(database, "SELECT traceback FROM async_task")
    for text in (caplog.text, kept):
        assert "ValueError: told" in text
        assert "in fail_below" in text
        assert "in _raise" in text
        assert "nereid_async/worker" not in text
