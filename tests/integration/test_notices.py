"""Tryton's users are told of tasks: by ``ir.error``, and by notifications."""

from __future__ import annotations

import json
from typing import Any

import pytest
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async.database import connection_pool
from nereid_async.database.driver import driver
from nereid_async.messages.outcome import State
from nereid_async.rows import TaskRows
from tests.fixtures.scripts import Script
from tests.helpers import wait_until

pytestmark = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)


def test_an_error_for_users_is_solved_by_them(script: Script, rows: TaskRows) -> None:
    with script.transaction():
        task = script.record.fail_as.defer("UserError", "No address.")
        script.record.fail_as.configure(max_attempts=1).defer("KeyError", "a bug")
        script.record.echo.defer("x")
    script.burst()
    with Transaction().start(script.database, 1, context={"_check_access": True}):
        (error,) = Pool().get("ir.error").search([])
        assert (error.message, error.state) == ("No address.", "open")
        assert error.origin.uuid == task.id
        assert error.rec_name.startswith("Asynchronous Task - async_test.record")
        error.process([error])
    with Transaction().start(script.database, 1, context={"_check_access": True}):
        error.solve(Pool().get("ir.error").browse([error.id]))
    status = rows.status(task.id)
    assert status is not None and status.state is State.PENDING
    with Transaction().start(script.database, 1):
        (error,) = Pool().get("ir.error").search([])
        assert error.state == "solved"
        error.delete([error])


@pytest.mark.parametrize("act", ["retry_failed", "discard", "reap"])
def test_an_error_goes_with_its_failure(
    script: Script, rows: TaskRows, act: str
) -> None:
    with script.transaction():
        task = script.record.fail_as.defer("UserError", "No address.")
    script.burst()
    if act == "reap":
        assert rows.reap(-5, 10) == 1
    else:
        assert getattr(rows, act)([task.id]) == [task.id]
    with Transaction().start(script.database, 1):
        errors = Pool().get("ir.error").search([])
        told = [it.state for it in errors]
        assert told == (["solved"] if act == "retry_failed" else [])
        Pool().get("ir.error").delete(errors)


@pytest.mark.backends("postgresql")
def test_the_user_is_notified_at_the_end(script: Script) -> None:
    connection = connection_pool.connect(script.database)
    try:
        connection.cursor().execute('LISTEN "bus"')
        with script.transaction():
            told = script.record.echo.configure(notify=True)
            told.defer("x")
            script.record.fail_as.configure(notify=True).defer("UserError", "No hat.")
            failing = script.record.fail_as.configure(notify=True, max_attempts=1)
            failing.defer("KeyError", "a secret")
            script.record.echo.defer("x")
        script.burst()
        messages: list[dict[str, Any]] = []

        def arrived() -> bool:
            messages.extend(map(json.loads, driver().hear(connection)))
            return len(messages) >= 3

        wait_until(arrived, what="three notifications")
    finally:
        connection_pool.disconnect(script.database, connection)
    assert {it["channel"] for it in messages} == {"user:1"}
    shown = {(it["message"]["title"], it["message"]["body"]) for it in messages}
    assert ("Done: async_test.record.echo", "") in shown
    assert ("Failed: async_test.record.fail_as", "No hat.") in shown
    (hidden,) = {body for _, body in shown} - {"", "No hat."}
    assert hidden.startswith("The task could not be completed.")
    assert "secret" not in hidden
    with Transaction().start(script.database, 1):
        Pool().get("ir.error").delete(Pool().get("ir.error").search([]))
