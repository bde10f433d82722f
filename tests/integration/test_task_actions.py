"""What operators may do to tasks over RPC, and what others may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction

from devtools.site import CLERK
from nereid_async.messages.outcome import State
from nereid_async.rows import TaskRows
from nereid_async.runtime import of_database
from nereid_async.worker.maintenance.relay import Relay
from tests.fixtures.scripts import Script
from tests.marks import ONE_DATABASE, once

ACTIONS = ("retry", "cancel", "run_now")


def member(database: str, *groups: str) -> int:
    """The clerk, as a member of groups of ours."""
    with Transaction().start(database, 1):
        pool = Pool()
        ids = [pool.get("ir.model.data").get_id("async_sqs", it) for it in groups]
        (clerk,) = pool.get("res.user").search([("login", "=", CLERK)])
        pool.get("res.user").write([clerk], {"groups": [("add", ids)]})
        return int(clerk.id)


@contextmanager
def rpc(database: str, user: int, **context: Any) -> Iterator[Any]:
    """A request of a client; the tasks."""
    with Transaction().start(
        database, user, context={"_check_access": True, **context}
    ):
        Task = Pool().get("async.task")
        yield Task


def act(database: str, user: int, action: str, ids: list[int]) -> str:
    """Start a wizard, confirm, and return what it reports."""
    context = {"active_model": "async.task", "active_ids": ids, "active_id": ids[0]}
    wizard = Pool(database).get(f"async.task.{action}", type="wizard")
    with rpc(database, user, **context):
        session, start, _ = wizard.create()
    with rpc(database, user, **context):
        wizard.execute(session, {}, start)
    with rpc(database, user, **context):
        view = wizard.execute(session, {start: {}}, "act")["view"]
    return str(view["defaults"]["text"])


def work(script: Script) -> None:
    """What a worker does: relay, and run."""
    runtime = of_database(script.database)
    if not runtime.broker.rows_are_messages:
        assert runtime.rows is not None
        Relay(runtime, runtime.rows).send_round(0)
    script.burst()


@pytest.fixture
def clerk(database: str) -> Iterator[int]:
    """The clerk; in no group of ours, in the end."""
    yield member(database)
    with Transaction().start(database, 1):
        (user,) = Pool().get("res.user").search([("login", "=", CLERK)])
        user.groups = []
        user.save()


def test_retry_leads_to_a_run(script: Script, rows: TaskRows, clerk: int) -> None:
    """On SQS to a new message: the old one was deleted."""
    with script.transaction():
        task = script.record.fail.defer("once more")
    script.burst()
    operator = member(script.database, "group_operator")
    with rpc(script.database, operator) as Task:
        (row,) = Task.search([("status", "=", "failed")])
        assert row.failure == "ValueError: once more"
        assert [it.error_message for it in row.attempts] == ["once more"]
    told = act(script.database, operator, "retry", [row.id])
    assert told == f"async_test.record.fail {task.id}: runs again"
    status = rows.status(task.id)
    assert status is not None and status.state is State.PENDING
    work(script)
    with rpc(script.database, operator) as Task:
        (row,) = Task.search([("status", "=", "failed")])
        assert len(row.attempts) == 2


def test_run_now_does_not_wait(script: Script, rows: TaskRows) -> None:
    with script.transaction():
        task = script.record.echo.configure(delay=600).defer("x")
    with rpc(script.database, 1) as Task:
        (row,) = Task.search([("status", "in", ["scheduled"])])
        assert Task.search([("status", "=", "waiting")]) == []
    assert act(script.database, 1, "run_now", [row.id]).endswith(": runs now")
    work(script)
    status = rows.status(task.id)
    assert status is not None and status.state is State.DONE


@once
@pytest.mark.parametrize("action", ACTIONS)
def test_a_reader_only_reads(script: Script, clerk: int, action: str) -> None:
    with script.transaction():
        script.record.echo.defer("x")
    reader = member(script.database, "group_reader")
    with rpc(script.database, reader) as Task:
        (row,) = Task.search([])
        (read,) = Task.read([row.id], ["status", "caller.rec_name", "attempts"])
        assert (read["status"], read["caller."]["rec_name"]) == (
            "waiting",
            "Administrator",
        )
        with pytest.raises(AccessButtonError):
            getattr(Task, action)([row])
    with pytest.raises(AccessError):
        act(script.database, reader, action, [row.id])


@once
@pytest.mark.parametrize("action", ACTIONS)
def test_others_get_nothing(script: Script, clerk: int, action: str) -> None:
    with script.transaction():
        script.record.echo.defer("x")
    with rpc(script.database, 1) as Task:
        (row,) = Task.search([])
    with rpc(script.database, clerk) as Task:
        with pytest.raises(AccessError):
            getattr(Task, action)([row])
    with pytest.raises(AccessError):
        act(script.database, clerk, action, [row.id])


@ONE_DATABASE
@pytest.mark.parametrize(
    "domain",
    [
        [("caller", "ilike", "%admin%")],
        [("caller.login", "=", "admin")],
        [("caller", "=", 1)],
        [("failure", "ilike", "%the reason%")],
        [("status", "!=", "done")],
        [("status", "not in", ["done", "waiting"])],
        [("queue", "=", "trytond-async"), ("name", "like", "%fail")],
    ],
    ids=str,
)
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_searches(script: Script, domain: list[Any]) -> None:
    with script.transaction():
        task = script.record.fail.defer("the reason")
    script.burst()
    with rpc(script.database, 1) as Task:
        assert [it.uuid for it in Task.search(domain)] == [task.id]
        assert Task.search([("caller", "=", "nobody")]) == []


@once
def test_a_record_is_shown_to_those_who_may_read_it(script: Script) -> None:
    with script.transaction():
        record = script.record(name="Lamp")
        record.save()
        record.rename.defer("Desk")
        gone = script.record(name="Gone")
        gone.save()
        gone.rename.defer("x")
        script.record.echo.defer("x", of=record)
    with script.transaction():
        script.record.delete([script.record(gone.id)])
    with rpc(script.database, 1) as Task:
        shown = [task.record for task in Task.search([], order=[("id", "ASC")])]
        assert [it and it.rec_name for it in shown] == ["Lamp", None, "Lamp"]
        for clause in (
            ("record", "=", str(record)),
            ("record.id", "in", [record.id], record.__name__),
            ("record.rec_name", "ilike", "la%", record.__name__),
        ):
            assert len(Task.search([clause])) == 2, clause
