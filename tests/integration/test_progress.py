"""Progress never harms its task or a poll, whatever it is given."""

from __future__ import annotations

import math
from typing import Any

import pytest

from devtools.browser import Browser
from tests.fixtures.scripts import Script
from tests.helpers import labels, query

#: What broke a task on PostgreSQL, or every poll on SQLite.
ODD = [
    "nan",
    "infinity",
    "decimal",
    "large",
    "lazy",
    "nul",
    "surrogate",
    "long",
]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize("odd", ODD)
def test_a_task_goes_on(script: Script, odd: str) -> None:
    told = script.value_of(lambda: script.record.odd_progress.defer(odd))
    assert labels(script.database) == [odd]
    assert told["message"] != ""
    for name in ("done", "total"):
        assert told[name] is None or math.isfinite(told[name])


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize("stored", ["NaN", "Infinity"])
def test_what_an_older_release_has_stored_breaks_no_poll(
    app: Any, client: Browser, database: str, stored: str
) -> None:
    task = client.defer("echo", "x")
    query(database, "UPDATE async_task SET state = 'running'")
    query(
        database,
        "INSERT INTO async_run "
        "(uuid, token, attempt, progress_done, progress_total, progress_message) "
        f"VALUES (%s, 'token', 1, '{stored}', '{stored}', 'half')",
        task["id"],
    )
    answer = client.get(task["url"])
    assert answer.status_code == 202
    assert answer.json["progress"] == {"done": None, "total": None, "message": "half"}
