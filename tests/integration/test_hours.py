"""How many tasks ended in each hour, and how long they had waited."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from trytond.pool import Pool
from trytond.transaction import Transaction

from tests.fixtures.scripts import Script
from tests.helpers import query

pytestmark = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)


def end(script: Script, states: list[str], at: dt.datetime, first_wait_s: int) -> None:
    """Tasks that have ended; each waited a second longer than the one before."""
    with script.transaction():
        ids = [script.record.echo.defer("x").id for _ in states]
    with Transaction().start(script.database, 0):
        for number, (task_id, state) in enumerate(zip(ids, states, strict=True)):
            due_at = at - dt.timedelta(seconds=first_wait_s + number)
            query(
                script.database,
                "UPDATE async_task SET state = %s, due_at = %s, finished_at = %s "
                "WHERE uuid = %s",
                *(state, str(due_at), str(at), task_id),
            )
            if state != "cancelled":
                query(
                    script.database,
                    "INSERT INTO async_run (uuid, token, attempt, started_at) "
                    "VALUES (%s, 't', 1, %s)",
                    *(task_id, str(at)),
                )


def test_counts_and_percentiles(script: Script) -> None:
    now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
    hour = now.replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=3)
    at = hour + dt.timedelta(minutes=59, seconds=59.5)
    end(script, ["done"] * 17 + ["failed"] * 3 + ["cancelled"] * 5, at, 1)
    end(script, ["done"], hour + dt.timedelta(hours=1), 7)
    end(script, ["cancelled"], hour + dt.timedelta(hours=2), 1)
    # Too long ago, and not yet ended.
    end(script, ["done"], hour - dt.timedelta(hours=60), 1)
    with script.transaction():
        script.record.echo.defer("x")
    with Transaction().start(script.database, 1, context={"_check_access": True}):
        found: list[Any] = Pool().get("async.hour").search([])
        counts = [
            ((it.hour - hour) / dt.timedelta(hours=1), it.done, it.failed, it.cancelled)
            for it in found
        ]
        waits = [(it.waited_p50, it.waited_p95) for it in found]
        assert len({it.id for it in found}) == len(found)
    assert counts == [(0, 17, 3, 5), (1, 1, 0, 0), (2, 0, 0, 1)]
    assert waits[0] == pytest.approx((10, 19), abs=0.01)
    assert waits[1] == pytest.approx((7, 7), abs=0.01)
    assert waits[2] == (None, None)
