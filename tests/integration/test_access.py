"""Over RPC nobody writes the tables; administrators read them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction

from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import query
from tests.marks import ONE_DATABASE

KEY = base64.urlsafe_b64encode(b"a key of 32 bytes, for the tests").decode()
OTHER_KEY = base64.urlsafe_b64encode(b"the key after the rotation of it").decode()
MODELS = ("async.task", "async.run", "async.attempt", "async.queue", "async.worker")


def calls(name: str) -> dict[str, Callable[[], Any]]:
    Model = Pool().get(name)
    return {
        "read": lambda: Model.search([]),
        "create": lambda: Model.create([{"uuid": "x"}]),
        "write": lambda: Model.write([Model(1)], {"uuid": "y"}),
        "delete": lambda: Model.delete([Model(1)]),
    }


@ONE_DATABASE
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("call", ["read", "create", "write", "delete"])
def test_a_plain_user_may_do_nothing(database: str, name: str, call: str) -> None:
    with Transaction().start(database, 1):
        (clerk,) = Pool().get("res.user").search([("login", "=", "clerk")])
    with Transaction().start(database, clerk.id, context={"_check_access": True}):
        with pytest.raises(AccessError):
            calls(name)[call]()


@ONE_DATABASE
@pytest.mark.parametrize("name", MODELS)
def test_an_administrator_reads_and_does_no_more(database: str, name: str) -> None:
    with Transaction().start(database, 1, context={"_check_access": True}):
        assert calls(name)["read"]() == []
        for call in ("create", "write", "delete"):
            with pytest.raises(AccessError):
                calls(name)[call]()


@ONE_DATABASE
def test_deferring_is_no_rpc(database: str) -> None:
    """``async.async`` names methods: it must not be callable from outside."""
    with Transaction().start(database, 1):
        for name in ("async.async", *MODELS):
            assert "defer" not in Pool().get(name).__rpc__


@ONE_DATABASE
def test_an_administrator_sees_it_in_the_client(database: str) -> None:
    with Transaction().start(database, 1, context={"_check_access": True}):
        Task = Pool().get("async.task")
        for kind in ("tree", "form"):
            view = Task.fields_view_get(view_type=kind)
            assert "status" in view["arch"]


DATA = ["message", "result", "arguments", "returned"]


class TestArgumentsAndResults:
    """They are for a group, of which administrators are not members by themselves."""

    @pytest.fixture
    def broker_settings(self) -> dict[str, str]:
        return {"broker": "database"}

    @pytest.fixture(params=["", KEY], ids=["plain", "encrypted"])
    def row_id(
        self,
        request: pytest.FixtureRequest,
        script: Script,
        tryton_conf: ConfWriter,
    ) -> int:
        """The id of a row that has both."""
        if request.param:
            tryton_conf(encryption_key=request.param)
        script.value_of(lambda: script.record.echo.defer({"card": "4242"}))
        ((id,),) = query(script.database, "SELECT id FROM async_task")
        return int(id)

    @ONE_DATABASE
    @pytest.mark.parametrize("name", DATA)
    def test_an_administrator_does_not_see_them(
        self, script: Script, row_id: int, name: str
    ) -> None:
        with script.transaction(_check_access=True):
            Task = Pool().get("async.task")
            (row,) = Task.read([row_id], ["name", "state"])
            assert row["state"] == "done"
            with pytest.raises(AccessError):
                Task.read([row_id], [name])
            with pytest.raises(AccessError):
                Task.search_read([], fields_names=[name])
            with pytest.raises(AccessError):
                Task.export_data([Task(row_id)], [name])
            view = Task.fields_view_get(view_type="form")
            assert f'name="{name}"' not in view["arch"]
            assert row["id"] in [it.id for it in Task.search([])]

    @pytest.mark.parametrize("name", ["message", "result"])
    def test_nor_does_he_find_them_by_search(
        self, script: Script, row_id: int, name: str
    ) -> None:
        with script.transaction(_check_access=True):
            with pytest.raises(AccessError):
                Pool().get("async.task").search([(name, "like", "%4242%")])

    @ONE_DATABASE
    def test_a_member_sees_them(self, script: Script, row_id: int) -> None:
        with script.transaction():
            pool = Pool()
            group = pool.get("ir.model.data").get_id("async_sqs", "group_task_data")
            pool.get("res.user").write(
                [pool.get("res.user")(1)], {"groups": [("add", [group])]}
            )
        try:
            with script.transaction(_check_access=True):
                Task = Pool().get("async.task")
                (row,) = Task.read([row_id], ["arguments", "returned"])
                assert row["arguments"] == "{'card': '4242'}"
                assert row["returned"] == "{'card': '4242'}"
                view = Task.fields_view_get(view_type="form")
                assert 'name="arguments"' in view["arch"]
        finally:
            with script.transaction():
                pool.get("res.user").write(
                    [pool.get("res.user")(1)], {"groups": [("remove", [group])]}
                )

    @ONE_DATABASE
    def test_what_cannot_be_read_is_told(
        self, script: Script, tryton_conf: ConfWriter
    ) -> None:
        tryton_conf(encryption_key=KEY)
        script.value_of(lambda: script.record.echo.defer("x"))
        tryton_conf(encryption_key=OTHER_KEY)
        with script.transaction():
            (task,) = Pool().get("async.task").search([])
            for text in (task.arguments, task.returned):
                assert "encryption_key" in text


@ONE_DATABASE
def test_lists_have_no_column_that_clients_cannot_show(database: str) -> None:
    """They have none for a ``Timestamp``, and hang if they are to show one."""
    with Transaction().start(database, 1):
        pool = Pool()
        views = pool.get("ir.ui.view").search(
            [("module", "=", "async_sqs"), ("type", "=", "tree")]
        )
        shown = [
            (pool.get(view.model)._fields[field.get("name")]._type, field.get("widget"))
            for view in views
            for field in ElementTree.fromstring(view.arch).iter("field")
        ]
    assert ("timestamp", "date") in shown
    assert ("timestamp", None) not in shown
