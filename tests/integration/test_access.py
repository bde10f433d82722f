"""Over RPC nobody writes the tables; administrators read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.transaction import Transaction

MODELS = ("async.task", "async.run")


def calls(name: str) -> dict[str, Callable[[], Any]]:
    Model = Pool().get(name)
    return {
        "read": lambda: Model.search([]),
        "create": lambda: Model.create([{"uuid": "x"}]),
        "write": lambda: Model.write([Model(1)], {"uuid": "y"}),
        "delete": lambda: Model.delete([Model(1)]),
    }


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("call", ["read", "create", "write", "delete"])
def test_a_plain_user_may_do_nothing(database: str, name: str, call: str) -> None:
    with Transaction().start(database, 1):
        (clerk,) = Pool().get("res.user").search([("login", "=", "clerk")])
    with Transaction().start(database, clerk.id, context={"_check_access": True}):
        with pytest.raises(AccessError):
            calls(name)[call]()


@pytest.mark.parametrize("name", MODELS)
def test_an_administrator_reads_and_does_no_more(database: str, name: str) -> None:
    with Transaction().start(database, 1, context={"_check_access": True}):
        assert calls(name)["read"]() == []
        for call in ("create", "write", "delete"):
            with pytest.raises(AccessError):
                calls(name)[call]()


def test_deferring_is_no_rpc(database: str) -> None:
    """``async.async`` names methods: it must not be callable from outside."""
    with Transaction().start(database, 1):
        for name in ("async.async", *MODELS):
            assert "defer" not in Pool().get(name).__rpc__


def test_an_administrator_sees_it_in_the_client(database: str) -> None:
    with Transaction().start(database, 1, context={"_check_access": True}):
        Task = Pool().get("async.task")
        for kind in ("tree", "form"):
            view = Task.fields_view_get(view_type=kind)
            assert "state" in view["arch"]


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
