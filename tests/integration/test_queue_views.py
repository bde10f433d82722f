"""Queues in the Tryton client: how full they are, who may pause them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async.rows import TaskRows
from nereid_async.rows.workers import Registered
from tests.fixtures.scripts import Script
from tests.integration.test_task_actions import clerk, member
from tests.marks import ONE_BROKER, once

__all__ = ["clerk"]


def seen(database: str) -> dict[str, Any]:
    with Transaction().start(database, 1, context={"_check_access": True}):
        names = ["waiting", "scheduled", "failed", "oldest", "paused", "paused_by"]
        names += ["rate", "workers"]
        Status = Pool().get("async.queue.status")
        return {
            row["name"]: row
            for row in Status.search_read([], fields_names=["name", *names])
        }


def press(database: str, user: int, button: str, queue: str) -> None:
    with Transaction().start(database, user, context={"_check_access": True}):
        Status = Pool().get("async.queue.status")
        getattr(Status, button)(Status.search([("name", "=", queue)]))


@ONE_BROKER
def test_what_is_in_the_queues(script: Script, rows: TaskRows) -> None:
    with script.transaction():
        script.record.fail.configure(queue="mail").defer("x")
    script.burst("mail")
    with script.transaction():
        for delay in (0, 0, 3600):
            script.record.echo.configure(queue="mail", delay=delay).defer("x")
    rows.pause("empty")
    rows.beat(Registered("x", "shop", 7, "0.2.0", ("mail:2",), 2), 1, "running", 0)
    found = seen(script.database)
    assert sorted(found) == ["*", "empty", "mail"]
    mail = found["mail"]
    assert (mail["waiting"], mail["scheduled"], mail["failed"]) == (2, 1, 1)
    assert dt.timedelta() <= mail["oldest"] < dt.timedelta(minutes=5)
    assert not mail["paused"]
    assert mail["rate"] == pytest.approx(0.2)
    assert mail["workers"] == 1
    assert found["*"]["rate"] is None
    assert found["empty"]["paused"]


@ONE_BROKER
def test_pause_and_resume(script: Script, rows: TaskRows) -> None:
    with script.transaction():
        script.record.echo.configure(queue="mail").defer("x")
    for queue in ("mail", "*"):
        press(script.database, 1, "pause", queue)
        assert rows.paused_queues() == {queue}
        row = seen(script.database)[queue]
        assert (row["paused"], row["paused_by"]) == (True, 1)
        press(script.database, 1, "resume", queue)
        assert rows.paused_queues() == set()
        assert seen(script.database)[queue]["id"] == row["id"]


@once
def test_who_may_not(script: Script, rows: TaskRows, clerk: int) -> None:
    with pytest.raises(AccessError):
        press(script.database, clerk, "pause", "*")
    reader = member(script.database, "group_reader")
    with pytest.raises(AccessButtonError):
        press(script.database, reader, "pause", "*")
    assert rows.paused_queues() == set()
